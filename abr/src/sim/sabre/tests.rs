//! Tests of the Sabre player against every recorded request.
