//! Random requests with all policies that take part, made from dice so that failures shrink.

mod caller;
mod words;

use std::collections::BTreeMap;

pub use caller::Caller;
use serde_json::{Map, Value, json};
use words::{
    ACTION_PATTERNS, ACTIONS, ARN_OPERATORS, ARN_PATTERNS, ARNS, BAD_DATES, BLOCKS, CALLERS,
    DATE_OPERATORS, DATES, KEYS, NUMERIC_OPERATORS, PRINCIPALS, RESOURCE_PATTERNS, SERVICES,
    STRING_OPERATORS, STRING_PATTERNS,
};

pub const A: &str = "111122223333";
pub const B: &str = "444455556666";
pub const C: &str = "777788889999";
pub const ALICE: &str = "AIDAALICEALICEALICEAL";
pub const BOB: &str = "AIDABOBBOBBOBBOBBOBBO";
pub const CAROL: &str = "AIDACAROLCAROLCAROLCA";
pub const DAVE: &str = "AIDADAVEDAVEDAVEDAVED";
pub const OPS: &str = "AROAOPSOPSOPSOPSOPSOP";
pub const FAR: &str = "AROAFARFARFARFARFARFA";
pub const LINKED: &str = "AROALINKEDLINKEDLINKE";
/// A role that a customer put under a path that reads like a service-linked role's.
pub const FAKE: &str = "AROAFAKEFAKEFAKEFAKEF";
pub const GONE: &str = "AIDAGONEGONEGONEGONEG";

#[derive(Clone, Debug)]
pub struct Scenario {
    pub caller: Caller,
    pub action: &'static str,
    pub target: Target,
    /// Whether the resource's policy lets in beside those whom identity policies let in.
    pub shared: bool,
    pub arn: String,
    pub account: &'static str,
    pub partition: &'static str,
    pub resource_policy: Option<Value>,
    /// Classes: 1 account, 2 base, 3 exact.
    pub grants: Vec<u8>,
    pub identity: Vec<Value>,
    pub boundary: Option<Value>,
    pub session: Option<Vec<Value>>,
    pub scps: Vec<Vec<Value>>,
    pub rcps: Vec<Value>,
    pub endpoint: Option<Value>,
    pub context: Vec<(String, Kind, Vec<String>)>,
    pub bindings: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Target {
    Key,
    Role,
    Alias,
    Account,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    One,
    Many,
}

struct Dice<'a>(std::slice::Iter<'a, u16>);

impl Dice<'_> {
    /// A number below `sides`; smaller dice make smaller numbers.
    fn roll(&mut self, sides: usize) -> usize {
        let die = self.0.next().copied().unwrap_or(0);
        (usize::from(die) * sides) >> 16
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.roll(100) >= 100 - percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.roll(from.len())]
    }

    fn list<T>(
        &mut self,
        least: usize,
        most: usize,
        mut one: impl FnMut(&mut Self) -> T,
    ) -> Vec<T> {
        let count = least + self.roll(most - least + 1);
        (0..count).map(|_| one(self)).collect()
    }

    /// One value bare or in brackets, or several.
    fn listed(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> Value) -> Value {
        let bare = !self.chance(50);
        let mut values = self.list(1, most, &mut one);
        if bare {
            values.remove(0)
        } else {
            Value::Array(values)
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Policy {
    Key,
    Trust,
    Endpoint,
    Rcp,
    Iam,
}

impl Scenario {
    pub fn roll(dice: &[u16]) -> Self {
        let d = &mut Dice(dice.iter());
        let caller = CALLERS[d.roll(CALLERS.len())].clone();
        let target = match d.roll(20) {
            0..=15 => Target::Key,
            16 => Target::Role,
            17 => Target::Alias,
            _ => Target::Account,
        };
        let action = match target {
            Target::Role => "sts:AssumeRole",
            Target::Account if d.chance(50) => "kms:CreateKey",
            Target::Key | Target::Alias | Target::Account => d.pick(ACTIONS),
        };
        let account = match d.roll(20) {
            0..=17 => A,
            18 => B,
            _ => C,
        };
        let partition = if d.chance(2) { "aws-cn" } else { "aws" };
        let region = if partition == "aws" {
            "us-east-1"
        } else {
            "cn-north-1"
        };
        let arn = match target {
            Target::Key => format!("arn:{partition}:kms:{region}:{account}:key/alpha"),
            Target::Role => format!("arn:{partition}:iam::{account}:role/ops/admin"),
            Target::Alias => format!("arn:{partition}:kms:{region}:{account}:alias/a"),
            Target::Account => format!("arn:{partition}:kms:{region}:{account}:*"),
        };
        let mut focus = Focus::new(&caller, action);
        let resource_policy = match target {
            Target::Key if !d.chance(8) => Some(focus.document(d, Policy::Key)),
            Target::Role => Some(focus.document(d, Policy::Trust)),
            Target::Key | Target::Alias | Target::Account => None,
        };
        let guarded = matches!(target, Target::Key | Target::Role);
        let grants = if guarded && d.chance(10) {
            d.list(1, 2, |d| 1 + u8::try_from(d.roll(3)).unwrap())
        } else {
            Vec::new()
        };
        let service = matches!(caller, Caller::Service(_));
        let identity = if service {
            Vec::new()
        } else {
            d.list(0, 3, |d| focus.document(d, Policy::Iam))
        };
        let boundary = (!service && d.chance(25)).then(|| focus.document(d, Policy::Iam));
        let chance = if matches!(caller, Caller::Federated(..)) {
            70
        } else {
            25
        };
        let session = d
            .chance(chance)
            .then(|| d.list(0, 2, |d| focus.document(d, Policy::Iam)));
        let scps = if d.chance(20) {
            d.list(1, 3, |d| d.list(0, 2, |d| focus.document(d, Policy::Iam)))
        } else {
            Vec::new()
        };
        let rcps = if d.chance(8) {
            d.list(1, 2, |d| focus.document(d, Policy::Rcp))
        } else {
            Vec::new()
        };
        let endpoint = d.chance(5).then(|| focus.document(d, Policy::Endpoint));
        let mut context = Vec::new();
        for (name, kind, values) in KEYS {
            if d.chance(25) {
                continue;
            }
            match kind {
                Kind::One => {
                    context.push((cased(d, name), *kind, vec![d.pick(values).to_owned()]));
                    if d.chance(3) {
                        // The same name in another case, as two pairs of a context may have.
                        let other = name.to_uppercase();
                        context.push((other, *kind, vec![d.pick(values).to_owned()]));
                    }
                }
                Kind::Many => {
                    let values = d.list(0, 3, |d| d.pick(values).to_owned());
                    context.push(((*name).to_owned(), *kind, values));
                }
            }
        }
        let bind = |arn: &str, id: &str| (arn.to_owned(), id.to_owned());
        let bindings = [
            bind("arn:aws:iam::111122223333:user/alice", ALICE),
            bind("arn:aws:iam::111122223333:user/team/bob", BOB),
            bind("arn:aws:iam::444455556666:user/carol", CAROL),
            bind("arn:aws:iam::777788889999:user/dave", DAVE),
            bind("arn:aws:iam::111122223333:role/ops/admin", OPS),
            bind("arn:aws:iam::444455556666:role/far", FAR),
            bind("arn:aws:iam::111122223333:user/reborn", GONE),
        ]
        .into();
        Self {
            caller,
            action,
            target,
            shared: false,
            arn,
            account,
            partition,
            resource_policy,
            grants,
            identity,
            boundary,
            session,
            scps,
            rcps,
            endpoint,
            context,
            bindings,
        }
    }
}

impl Scenario {
    /// The same request of a file system or the like, whose policy lets in beside identity policies;
    /// an anonymous one if nobody is said to ask.
    pub fn shared(mut self, anonymous: bool) -> Self {
        if anonymous {
            self.caller = Caller::Anonymous;
            self.identity.clear();
            self.boundary = None;
            self.session = None;
        }
        let silent = || {
            json!({"Version": "2012-10-17",
                "Statement": {"Effect": "Allow", "Principal": "*", "Action": "ec2:*", "Resource": "*"}})
        };
        self.resource_policy.get_or_insert_with(silent);
        self.grants.clear();
        self.shared = true;
        self
    }
}

/// What the request is about, so that statements hit it often enough.
struct Focus {
    principals: Vec<&'static str>,
    service: Option<&'static str>,
    action: &'static str,
}

impl Focus {
    fn new(caller: &Caller, action: &'static str) -> Self {
        let mut principals = Vec::new();
        match caller {
            Caller::Root(a)
            | Caller::User(a, ..)
            | Caller::Session(a, ..)
            | Caller::Federated(a, ..) => {
                let account = match *a {
                    A => 0,
                    B => 8,
                    _ => 20,
                };
                // Twice: delegation is the common form and needs an identity policy besides.
                principals.extend([PRINCIPALS[account]; 2]);
            }
            Caller::Service(_) | Caller::Anonymous => {}
        }
        match caller {
            Caller::User(_, _, "alice", _) => principals.push(PRINCIPALS[3]),
            Caller::User(_, _, "bob", _) => principals.push(PRINCIPALS[4]),
            Caller::User(_, _, "carol", _) => principals.push(PRINCIPALS[10]),
            Caller::User(..) => principals.push(PRINCIPALS[21]),
            Caller::Session(A, ..) => principals.extend([PRINCIPALS[5], PRINCIPALS[6]]),
            Caller::Session(..) => principals.extend([PRINCIPALS[11], PRINCIPALS[12]]),
            Caller::Federated(..) => principals.extend([PRINCIPALS[3], PRINCIPALS[7]]),
            Caller::Root(_) | Caller::Service(_) | Caller::Anonymous => {}
        }
        let service = match caller {
            Caller::Service(name) => Some(*name),
            Caller::Root(_)
            | Caller::User(..)
            | Caller::Session(..)
            | Caller::Federated(..)
            | Caller::Anonymous => None,
        };
        Self {
            principals,
            service,
            action,
        }
    }

    fn document(&mut self, d: &mut Dice<'_>, policy: Policy) -> Value {
        let bare = !d.chance(70);
        let mut statements = d.list(1, 3, |d| self.statement(d, policy));
        let statement = if bare {
            statements.remove(0)
        } else {
            Value::Array(statements)
        };
        let mut document = Map::new();
        document.insert("Statement".into(), statement);
        let open = matches!(policy, Policy::Key | Policy::Trust | Policy::Endpoint);
        if !open || !d.chance(15) {
            document.insert("Version".into(), "2012-10-17".into());
        } else if d.chance(50) {
            document.insert("Version".into(), "2008-10-17".into());
        }
        Value::Object(document)
    }

    fn statement(&mut self, d: &mut Dice<'_>, policy: Policy) -> Value {
        let mut statement = Map::new();
        let denies = policy == Policy::Rcp || d.chance(12);
        let effect = if denies { "Deny" } else { "Allow" };
        statement.insert("Effect".into(), effect.into());
        match policy {
            Policy::Key | Policy::Endpoint => {
                let not = d.chance(if denies { 30 } else { 5 });
                let name = if not { "NotPrincipal" } else { "Principal" };
                statement.insert(name.into(), self.principal(d, not));
            }
            Policy::Trust => {
                statement.insert("Principal".into(), self.principal(d, false));
            }
            Policy::Rcp => {
                statement.insert("Principal".into(), "*".into());
            }
            Policy::Iam => {}
        }
        let not = policy != Policy::Rcp && d.chance(8);
        let name = if not { "NotAction" } else { "Action" };
        let actions = if policy == Policy::Trust {
            d.listed(2, |d| {
                d.pick(&["sts:AssumeRole", "sts:*", "sts:TagSession"])
                    .into()
            })
        } else {
            let own = self.action;
            d.listed(3, |d| {
                if d.chance(30) {
                    own.into()
                } else {
                    match d.pick(ACTION_PATTERNS) {
                        // Every action of all services is not for them to name.
                        "*" if policy == Policy::Rcp => "kms:*".into(),
                        pattern => pattern.into(),
                    }
                }
            })
        };
        statement.insert(name.into(), actions);
        match policy {
            Policy::Trust => {}
            // The key itself, as nearly every key policy says.
            Policy::Key if !d.chance(8) => {
                statement.insert("Resource".into(), "*".into());
            }
            Policy::Key | Policy::Endpoint | Policy::Rcp | Policy::Iam => {
                let name = if d.chance(8) {
                    "NotResource"
                } else {
                    "Resource"
                };
                let resources = d.listed(3, |d| {
                    if d.chance(50) {
                        "*".into()
                    } else {
                        d.pick(RESOURCE_PATTERNS).into()
                    }
                });
                statement.insert(name.into(), resources);
            }
        }
        if d.chance(35) {
            statement.insert("Condition".into(), conditions(d, policy, denies));
        }
        Value::Object(statement)
    }

    fn principal(&mut self, d: &mut Dice<'_>, not: bool) -> Value {
        if d.chance(12) {
            return "*".into();
        }
        let own = self.principals.clone();
        let mut value = Map::new();
        let pick = |d: &mut Dice<'_>| -> Value {
            if !own.is_empty() && d.chance(65) {
                d.pick(&own).into()
            } else {
                d.pick(PRINCIPALS).into()
            }
        };
        if self.service.is_some() && d.chance(60) {
            value.insert("Service".into(), d.listed(2, |d| d.pick(SERVICES).into()));
        } else {
            value.insert("AWS".into(), d.listed(if not { 5 } else { 2 }, pick));
        }
        if d.chance(5) {
            value.insert("Federated".into(), "accounts.google.com".into());
        }
        Value::Object(value)
    }
}

fn conditions(d: &mut Dice<'_>, policy: Policy, denies: bool) -> Value {
    let mut operators: Map<String, Value> = Map::new();
    for _ in 0..=d.roll(2) {
        let (key, kind, own) = d.pick(KEYS);
        let (base, mut values): (&str, Vec<&str>) = match d.roll(10) {
            0..=1 => ("Null", vec!["true", "false", "x"]),
            2..=6 => of_family(d, key, own),
            _ => {
                let all = [
                    STRING_OPERATORS,
                    NUMERIC_OPERATORS,
                    DATE_OPERATORS,
                    ARN_OPERATORS,
                    &["Bool", "BinaryEquals", "IpAddress", "NotIpAddress"],
                ]
                .concat();
                (d.pick(&all), own.to_vec())
            }
        };
        if base.starts_with("Date") && policy != Policy::Key {
            // IAM refuses what is not a date, so only key policies come to evaluate it.
            values = DATES.to_vec();
        }
        // A value that a policy with variables would be refused for.
        values.retain(|value| *value != "${x");
        let mut name = base.to_owned();
        if base != "Null" {
            let sets = if kind == Kind::Many { 55 } else { 15 };
            if d.chance(sets) {
                let all = d.chance(50) && (denies || !key.starts_with("kms:EncryptionContext:"));
                name.insert_str(0, if all { "ForAllValues:" } else { "ForAnyValue:" });
            }
            if d.chance(20) {
                name.push_str("IfExists");
            }
        }
        let most = if d.chance(5) { 0 } else { 2 };
        let listed = if most == 0 || values.is_empty() {
            Value::Array(Vec::new())
        } else {
            d.listed(2, |d| {
                let value = d.pick(&values);
                scalar(d, value)
            })
        };
        let keys = operators
            .entry(cased(d, &name))
            .or_insert_with(|| Value::Object(Map::new()));
        keys.as_object_mut().unwrap().insert(cased(d, key), listed);
    }
    Value::Object(operators)
}

fn of_family<'v>(d: &mut Dice<'_>, key: &str, own: &[&'v str]) -> (&'v str, Vec<&'v str>) {
    let strings = [own, STRING_PATTERNS].concat();
    match key {
        "x:Dates" => (d.pick(DATE_OPERATORS), own.to_vec()),
        "x:Arns" => (d.pick(ARN_OPERATORS), [ARNS, ARN_PATTERNS].concat()),
        "kms:RotationPeriodInDays" | "x:Numbers" => (d.pick(NUMERIC_OPERATORS), own.to_vec()),
        "aws:CurrentTime" | "aws:EpochTime" => {
            let dates = [DATES, BAD_DATES].concat();
            (d.pick(DATE_OPERATORS), dates)
        }
        "aws:SourceIp" => (d.pick(&["IpAddress", "NotIpAddress"]), BLOCKS.to_vec()),
        "aws:MultiFactorAuthPresent" => ("Bool", own.to_vec()),
        "aws:PrincipalArn" | "aws:SourceArn" => {
            (d.pick(ARN_OPERATORS), [ARNS, ARN_PATTERNS].concat())
        }
        "x:Blob" => ("BinaryEquals", own.to_vec()),
        _ => (d.pick(STRING_OPERATORS), strings),
    }
}

/// Numbers and booleans may stand without quotes.
fn scalar(d: &mut Dice<'_>, text: &str) -> Value {
    if d.chance(20) {
        match text {
            "true" => return json!(true),
            "false" => return json!(false),
            "30" => return json!(30),
            "1767225600" => return json!(1_767_225_600),
            _ => {}
        }
    }
    text.into()
}

fn cased(d: &mut Dice<'_>, text: &str) -> String {
    match d.roll(10) {
        8 => text.to_lowercase(),
        9 => text.to_uppercase(),
        _ => text.to_owned(),
    }
}
