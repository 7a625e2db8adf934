//! One ordered map of sealed values under one revision counter.
#![forbid(unsafe_code)]
