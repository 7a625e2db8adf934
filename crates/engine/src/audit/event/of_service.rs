//! Events of what the system itself did.

use keyward_types::{region::Region, time::Timestamp};
use keyward_wire::json::Writer;

use super::{ChangedPath, EVENT_VERSION};

/// A service event: what the system itself did to a key, as AWS records it.
pub fn render_service_event(
    (name, source): (&str, &str),
    (region, account, key): (Region, &str, Option<&str>),
    (time, event_id): (Timestamp, &str),
    details: impl FnOnce(&mut Writer<'_>),
    changes: &[ChangedPath],
) -> Vec<u8> {
    Writer::render(1024, |event| {
        event.string("eventVersion", EVENT_VERSION);
        event.object("userIdentity", |identity| {
            identity.string("accountId", account);
            identity.string("invokedBy", "AWS Internal");
        });
        event.string("eventTime", &time.iso8601());
        event.string("eventSource", source);
        event.string("eventName", name);
        event.string("awsRegion", region.as_str());
        event.string("sourceIPAddress", "AWS Internal");
        event.string("userAgent", "AWS Internal");
        event.null("requestParameters");
        event.null("responseElements");
        event.string("eventID", event_id);
        event.boolean("readOnly", false);
        event.array("resources", |resources| {
            let Some(key) = key else { return };
            resources.object(|resource| {
                resource.string("accountId", account);
                resource.string("type", "AWS::KMS::Key");
                resource.string("ARN", key);
            });
        });
        event.string("eventType", "AwsServiceEvent");
        event.boolean("managementEvent", true);
        event.string("recipientAccountId", account);
        event.object("serviceEventDetails", details);
        event.string("eventCategory", "Management");
        event.object("keyward", |keyward| {
            keyward.array("changes", |list| {
                for (path, generation) in changes {
                    list.object(|change| {
                        change.string("path", path);
                        let generation = generation.as_ref().map(ToString::to_string);
                        change.string("generation", generation.as_deref().unwrap_or("deleted"));
                    });
                }
            });
        });
    })
}
