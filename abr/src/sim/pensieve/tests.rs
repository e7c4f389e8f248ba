//! Tests of the Pensieve environment against every recorded chunk.
