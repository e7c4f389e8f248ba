//! HTTP: one request after another, each checked to be whole.
