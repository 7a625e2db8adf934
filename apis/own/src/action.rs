//! The actions of Keyward's own service that a permit can be for.

use keyward_types::actions;

actions! {
    "keyward":
    ExplainDecision = "keyward:ExplainDecision",
    ExplainRecordedDecision = "keyward:ExplainRecordedDecision",
    WhoCan = "keyward:WhoCan",
}
