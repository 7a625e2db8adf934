//! Metrics for Prometheus, under the names that aws-encryption-provider has given them.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    time::Duration,
};

use parking_lot::Mutex;

use crate::fault::{Fault, Kind};

/// The upper bounds of the histogram, in milliseconds.
const BUCKETS: [u64; 14] = [
    2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384,
];

/// An operation of KMS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Decrypt.
    Decrypt,
    /// Encrypt.
    Encrypt,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Decrypt => "decrypt",
            Self::Encrypt => "encrypt",
        })
    }
}

/// What was counted: the key as it was given, how it ended, and the operation.
type Series = (String, &'static str, Operation);

/// The calls of KMS, counted.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<BTreeMap<Series, Counts>>);

#[derive(Debug, Default)]
struct Counts {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    millis: u64,
}

impl Metrics {
    /// Counts a call of KMS. The keys are those of the command line, so there are only so many.
    pub fn count(
        &self,
        key: &str,
        operation: Operation,
        result: Result<(), &Fault>,
        took: Duration,
    ) {
        let status = match result.map_err(Fault::kind) {
            Ok(()) => "success",
            Err(Kind::Throttled) => "failure-throttle",
            Err(Kind::Corruption) => "failure-corruption",
            Err(Kind::UserInduced | Kind::Other) => "failure",
        };
        let millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let mut all = self.0.lock();
        let counts = all.entry((key.to_owned(), status, operation)).or_default();
        for (count, bound) in counts.buckets.iter_mut().zip(BUCKETS) {
            *count += u64::from(millis <= bound);
        }
        counts.count += 1;
        counts.millis = counts.millis.saturating_add(millis);
    }

    /// All of it, as Prometheus reads it.
    pub fn render(&self) -> String {
        const TOTAL: &str = "aws_encryption_provider_kms_operations_total";
        const LATENCY: &str = "aws_encryption_provider_kms_operation_latency_ms";
        let mut out = format!(
            "# HELP {LATENCY} Response latency in milliseconds for aws encryption provider kms operation\n\
             # TYPE {LATENCY} histogram\n"
        );
        let all = self.0.lock();
        for (series, counts) in &*all {
            let labels = labels(series);
            for (count, bound) in counts.buckets.iter().zip(BUCKETS) {
                let _ = writeln!(out, "{LATENCY}_bucket{{{labels},le=\"{bound}\"}} {count}");
            }
            let Counts { count, millis, .. } = counts;
            let _ = write!(
                out,
                "{LATENCY}_bucket{{{labels},le=\"+Inf\"}} {count}\n\
                 {LATENCY}_sum{{{labels}}} {millis}\n\
                 {LATENCY}_count{{{labels}}} {count}\n"
            );
        }
        let _ = write!(
            out,
            "# HELP {TOTAL} total aws encryption provider kms operations\n# TYPE {TOTAL} counter\n"
        );
        for (series, counts) in &*all {
            let _ = writeln!(out, "{TOTAL}{{{}}} {}", labels(series), counts.count);
        }
        out
    }
}

fn labels((key, status, operation): &Series) -> String {
    let key = key
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("key_arn=\"{key}\",operation=\"{operation}\",status=\"{status}\",version=\"v2\"")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use keyward_client::answer::Failure;

    use super::*;

    #[test]
    fn calls_are_counted_under_the_names_of_aws_encryption_provider() {
        let metrics = Metrics::default();
        let millis = Duration::from_millis;
        metrics.count("k", Operation::Encrypt, Ok(()), millis(3));
        metrics.count("k", Operation::Encrypt, Ok(()), millis(20_000));
        let failure = |code: &str| {
            Fault::from(Failure::Refused {
                status: 400,
                code: code.to_owned(),
                message: None,
            })
        };
        for (code, key) in [
            ("ThrottlingException", "k"),
            ("InvalidCiphertextException", "k"),
            ("DisabledException", "a\"b"),
        ] {
            metrics.count(key, Operation::Decrypt, Err(&failure(code)), millis(1));
        }
        let text = metrics.render();
        let counters: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("_total{") || line.contains("\"k\",operation=\"encrypt\""))
            .collect();
        expect![[r#"
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="2"} 0
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="4"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="8"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="16"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="32"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="64"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="128"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="256"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="512"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="1024"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="2048"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="4096"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="8192"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="16384"} 1
            aws_encryption_provider_kms_operation_latency_ms_bucket{key_arn="k",operation="encrypt",status="success",version="v2",le="+Inf"} 2
            aws_encryption_provider_kms_operation_latency_ms_sum{key_arn="k",operation="encrypt",status="success",version="v2"} 20003
            aws_encryption_provider_kms_operation_latency_ms_count{key_arn="k",operation="encrypt",status="success",version="v2"} 2
            aws_encryption_provider_kms_operations_total{key_arn="a\"b",operation="decrypt",status="failure",version="v2"} 1
            aws_encryption_provider_kms_operations_total{key_arn="k",operation="decrypt",status="failure-corruption",version="v2"} 1
            aws_encryption_provider_kms_operations_total{key_arn="k",operation="decrypt",status="failure-throttle",version="v2"} 1
            aws_encryption_provider_kms_operations_total{key_arn="k",operation="encrypt",status="success",version="v2"} 2"#]]
        .assert_eq(&counters.join("\n"));
    }
}
