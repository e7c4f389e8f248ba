//! Test support: scripted origins, generated content and the processes under test.
