//! The APIs that Keyward serves: one line for each.

use std::sync::Arc;

use keyward_api_iam::Iam;
use keyward_api_kms::{Kms, state::KmsState};
use keyward_api_organizations::Organizations;
use keyward_api_own::{Keyward, KeywardState};
use keyward_api_sts::{Sts, StsState};
use keyward_engine::service::{Service, Services};

/// All of them. Clients that name no API speak to STS, as at AWS.
pub fn services(kms: Arc<KmsState>, sts: StsState) -> Services {
    let stateless = || Arc::new(());
    Services::new::<Sts>(
        Service::new::<Keyward>(Arc::new(KeywardState {
            kms: Arc::clone(&kms),
            sessions: Arc::clone(&sts.sessions),
        })),
        [
            Service::new::<Kms>(kms),
            Service::new::<Iam>(stateless()),
            Service::new::<Sts>(Arc::new(sts)),
            Service::new::<Organizations>(stateless()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyward_engine::{
        api::ApiDescription,
        audit::parameters::{Declared, Parameter, Shown},
    };

    /// One line for each member of a table's operations: its path, and whether it is shown.
    fn listed(service: &str, table: &[Declared]) -> String {
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
        for (operation, members) in table {
            list(&format!("{service}:{operation}"), members, &mut lines);
        }
        lines.concat()
    }

    fn apis() -> [&'static ApiDescription; 5] {
        [
            ApiDescription::of::<Iam>(),
            ApiDescription::of::<Keyward>(),
            ApiDescription::of::<Kms>(),
            ApiDescription::of::<Organizations>(),
            ApiDescription::of::<Sts>(),
        ]
    }

    #[test]
    fn the_rows_are_those_of_the_operations() {
        for api in apis() {
            let served = api.operations.iter().map(|row| row.name);
            let declared = api.parameters.iter().map(|(name, _)| *name);
            assert!(served.eq(declared), "{api:?}");
            assert!(api.operations.is_sorted_by_key(|row| row.name), "{api:?}");
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
             # the tables in the `parameters.rs` of each API by a test; see crates/engine/src/audit/parameters.rs.\n"
            .to_owned();
        for api in apis() {
            text.push_str(&listed(api.service, api.parameters));
        }
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    }
}
