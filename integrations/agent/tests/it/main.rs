//! What an agent does, on a simulated machine that fails anywhere.

mod histories;
mod machine;
