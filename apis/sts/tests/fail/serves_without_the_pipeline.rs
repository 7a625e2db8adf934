//! An operation that no gate sees and no event records.
use keyward_engine::pipeline::Row;

const ROW: Row = Row {
    name: "AssumeRole",
    parameters: &[],
    serve: |_, _, _| Box::pin(async { unreachable!() }),
};

fn main() {}
