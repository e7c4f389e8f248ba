//! Keys from the manifest to the admission of a segment, with licences that expire and are renewed.
