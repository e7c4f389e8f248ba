//! The shape of the workspace, as tests.
