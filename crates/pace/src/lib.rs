//! How much is worked on at once: the bounded pool, and the turns of those who count before they create. It knows no
//! request, no caller and no API.
#![forbid(unsafe_code)]

pub mod one_by_one;
pub mod pool;
