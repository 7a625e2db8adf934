//! The APIs that Keyward serves: one line for each.

use std::sync::Arc;

use keyward_api_cde::{CdeState, PATIENCE};
use keyward_api_efs::{Connections, EfsState};
use keyward_api_kms::state::KmsState;
use keyward_api_own::{KeywardState, polls::Polls};
use keyward_api_rds::RdsState;
use keyward_api_sts::{Sts, StsState};
use keyward_engine::{
    api::{Api, ApiDescription},
    gate::declared::{DeclaredKey, GLOBAL},
    one_by_one::OneByOne,
    service::{Service, Services},
    session::Sessions,
};
use keyward_oidc::issuers::Issuers;
use keyward_types::{storage::AgentId, vpc::Vpcs};

/// What the APIs share that have a state.
#[derive(Debug)]
pub struct States {
    /// KMS's.
    pub kms: Arc<KmsState>,
    /// What verifies web identities.
    pub issuers: Arc<Issuers>,
    /// Temporary credentials.
    pub sessions: Arc<Sessions>,
    /// The subnets in which agents serve volumes.
    pub vpcs: Arc<Vpcs>,
    /// The agents that wait to hear what is wanted.
    pub polls: Arc<Polls>,
}

/// What EFS may know of the agents that ask Keyward's own service.
#[derive(Debug)]
struct Connected(Arc<Polls>);

impl Connections for Connected {
    fn is_connected(&self, agent: &AgentId) -> bool {
        self.0.is_connected(agent)
    }
}

macro_rules! apis {
    (own $own:ty: $own_state:expr; $( $api:ty: $state:expr; )*) => {
        /// What the engine knows of each API.
        pub fn descriptions() -> Vec<&'static ApiDescription> {
            vec![<$own>::description(), $( <$api>::description(), )*]
        }

        /// What people call the APIs that AWS has too, in the order of the table.
        pub fn titles() -> Vec<&'static str> {
            let titles = descriptions().into_iter().map(|api| api.title);
            titles.filter(|title| !title.is_empty()).collect()
        }

        /// All of them. Clients that name no API speak to STS, as at AWS.
        pub fn services(states: &States) -> Services {
            fn of<A: Api>(
                states: &States,
                state: impl FnOnce(&States) -> Arc<A::State>,
            ) -> Service {
                Service::new::<A>(state(states))
            }
            Services::new::<Sts>(
                of::<$own>(states, $own_state),
                [$( of::<$api>(states, $state), )*],
            )
        }
    };
}

apis! {
    own keyward_api_own::Keyward: |states| Arc::new(KeywardState::new(&states.kms, &states.sessions, &states.vpcs, &states.polls));
    keyward_api_kms::Kms: |states| Arc::clone(&states.kms);
    keyward_api_iam::Iam: |_| Arc::new(());
    keyward_api_sts::Sts: |states| Arc::new(StsState::new(&states.issuers, &states.sessions));
    keyward_api_organizations::Organizations: |_| Arc::new(());
    keyward_api_efs::Efs: |states| Arc::new(EfsState {
        vpcs: Arc::clone(&states.vpcs),
        connections: Arc::new(Connected(Arc::clone(&states.polls))),
        creations: OneByOne::default(),
    });
    keyward_api_rds::Rds: |states| Arc::new(RdsState { vpcs: Arc::clone(&states.vpcs), ..RdsState::default() });
    keyward_api_cde::Environments: |states| Arc::new(CdeState { vpcs: Arc::clone(&states.vpcs), patience: PATIENCE });
    keyward_api_cde::De: |states| Arc::new(CdeState { vpcs: Arc::clone(&states.vpcs), patience: PATIENCE });
}

/// Every condition key that a server supplies, by name; those that begin with a name that a user
/// chose come last.
pub fn condition_keys() -> Vec<DeclaredKey> {
    let own = descriptions()
        .into_iter()
        .flat_map(|api| api.condition_keys);
    let mut keys: Vec<DeclaredKey> = GLOBAL.iter().chain(own).copied().collect();
    keys.sort_by_key(|key| (key.name.starts_with('<'), key.name));
    keys
}

#[cfg(test)]
mod tests {
    use keyward_engine::{
        audit::parameters::{Parameter, Shown},
        directory::units::signer::MOST_KEPT,
    };

    use super::*;

    /// One line for each member of an API's operations: its path, and whether it is shown.
    fn listed(api: &ApiDescription) -> String {
        fn list(path: &str, members: &[Parameter], lines: &mut Vec<String>) {
            for parameter in members {
                let path = format!("{path}.{}", parameter.member);
                let word = match parameter.shown {
                    Shown::Masked => "masked",
                    Shown::Omitted => "omitted",
                    Shown::Secret => "secret",
                    _ => "shown",
                };
                lines.push(format!("{path} {word}\n"));
                if let Shown::Structure(members) | Shown::Structures(members) = parameter.shown {
                    list(&path, members, lines);
                }
            }
        }
        let mut lines = Vec::new();
        for row in api.operations {
            let path = format!("{}:{}", api.service, row.name());
            list(&path, row.parameters(), &mut lines);
        }
        lines.concat()
    }

    #[test]
    fn a_condition_key_is_declared_once_and_by_its_service() {
        let keys = condition_keys();
        for (key, next) in keys.iter().zip(keys.iter().skip(1)) {
            assert_ne!(key.name, next.name);
        }
        for api in descriptions() {
            let prefix = format!("{}:", api.service);
            let foreign = api
                .condition_keys
                .iter()
                .find(|key| !key.name.starts_with(&prefix));
            assert_eq!(foreign, None, "{api:?}");
        }
    }

    #[test]
    fn the_signing_keys_of_every_api_are_kept() {
        assert!(descriptions().len() <= MOST_KEPT);
    }

    #[test]
    fn the_operations_of_an_api_are_sorted() {
        for api in descriptions() {
            assert!(api.operations.is_sorted_by_key(|row| row.name()), "{api:?}");
        }
    }

    /// `UPDATE_EXPECT=1 cargo test -p keyward-services --lib apis` writes the list anew;
    /// `clients/test_model.py` holds it against AWS's models.
    #[test]
    fn the_list_of_what_is_shown_is_the_tables() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/request-parameters.txt"
        );
        let mut text = "# Every member of every operation, and what the audit trail shows of it. Written from\n\
             # what the operations declare, by a test; see crates/engine/src/audit/parameters.rs.\n"
            .to_owned();
        let mut apis = descriptions();
        apis.sort_by_key(|api| api.service);
        for api in apis {
            text.push_str(&listed(api));
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    }
}
