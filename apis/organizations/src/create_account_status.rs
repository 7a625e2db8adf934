//! What became of requests for new accounts.
//!
//! <https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeCreateAccountStatus.html>

use keyward_engine::{
    audit::parameters::{Parameter, integer, text, texts},
    directory::{purpose, records},
    gate::{Denied, Gate},
    operation::{Done, Operation, Output},
    policy::permit::Permit,
};
use keyward_store::{path::Path, store::MAX_RANGE};
use keyward_types::organization::CreateAccountRequestId;
use keyward_wire::json::{Members, Object, Writer};

use crate::{
    Cx, Organizations,
    fault::OrganizationsFault,
    page::{Paged, Pagination},
    paths,
    records::CreateAccountRecord,
    standing::Standing,
};

/// `DescribeCreateAccountStatus`
#[derive(Debug)]
pub struct DescribeCreateAccountStatus {
    request: CreateAccountRequestId,
}

/// The output of DescribeCreateAccountStatus.
#[derive(Debug)]
pub struct StatusDescribed(CreateAccountRecord);

keyward_types::action!("organizations": DescribeCreateAccountStatus = "organizations:DescribeCreateAccountStatus");

impl Operation for DescribeCreateAccountStatus {
    const NAME: &'static str = "DescribeCreateAccountStatus";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[text("CreateAccountRequestId")];
    type Api = Organizations;
    type Output = StatusDescribed;
    type Fault = OrganizationsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, OrganizationsFault> {
        let mut m = Members::of(body);
        let request = m
            .string("CreateAccountRequestId")
            .length(0, 36)
            .pattern("^car-[a-z0-9]{8,32}$", |text| {
                CreateAccountRequestId::parse(text).is_ok()
            })
            .required();
        m.finish()?;
        let request = CreateAccountRequestId::parse(request);
        Ok(Self {
            request: request.map_err(OrganizationsFault::internal)?,
        })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), OrganizationsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<StatusDescribed>, OrganizationsFault> {
        let standing = Standing::of(cx).await?;
        let organization = standing.managed()?;
        let path = paths::create_account(cx.partition(), cx.account(), &self.request);
        let found = cx.directory().reader().get(&path).await?.value;
        let record = found.ok_or(OrganizationsFault::CreateAccountStatusNotFound)?;
        let request: CreateAccountRecord =
            records::decode(record.bytes_of(purpose::CREATE_ACCOUNT)?)?;
        if request.organization != organization.record().id {
            return Err(OrganizationsFault::CreateAccountStatusNotFound);
        }
        Ok(Done::unchanged(StatusDescribed(request)))
    }
}

impl Output<Organizations> for StatusDescribed {
    fn render(&self, out: &mut Writer<'_>) {
        out.object("CreateAccountStatus", |entry| status(&self.0, true, entry));
    }
}

/// `ListCreateAccountStatus`
#[derive(Debug)]
pub struct ListCreateAccountStatus {
    states: Option<Vec<String>>,
    page: Pagination,
}

/// The output of ListCreateAccountStatus.
#[derive(Debug)]
pub struct StatusesListed(Paged<CreateAccountRecord>);

keyward_types::action!("organizations": ListCreateAccountStatus = "organizations:ListCreateAccountStatus");

impl Operation for ListCreateAccountStatus {
    const NAME: &'static str = "ListCreateAccountStatus";
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] =
        &[texts("States"), text("NextToken"), integer("MaxResults")];
    type Api = Organizations;
    type Output = StatusesListed;
    type Fault = OrganizationsFault;
    type Resolved = ();
    type Permits = Permit<Self>;

    fn parse(body: &Object<'_>) -> Result<Self, OrganizationsFault> {
        let mut m = Members::of(body);
        let words = &["IN_PROGRESS", "SUCCEEDED", "FAILED"];
        let states = m.enumerations("States", words).optional();
        // An empty list counts as absent: all states.
        let states = states.filter(|states| !states.is_empty());
        let states = states.map(|states| states.into_iter().map(str::to_owned).collect());
        let page = Pagination::read(&mut m);
        m.finish()?;
        Ok(Self { states, page })
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), OrganizationsFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        cx: &Cx<'_>,
    ) -> Result<Done<StatusesListed>, OrganizationsFault> {
        let standing = Standing::of(cx).await?;
        let organization = standing.managed()?;
        let prefix = paths::create_accounts(cx.partition(), cx.account());
        let reader = cx.directory().reader();
        let (mut all, mut after): (Vec<CreateAccountRecord>, Option<Path>) = (Vec::new(), None);
        loop {
            let page = reader.range(&prefix, after.as_ref(), MAX_RANGE).await?;
            let Some(last) = page.value.last() else { break };
            after = Some(last.path.clone());
            for record in &page.value {
                let bytes = record.bytes_of(purpose::CREATE_ACCOUNT)?;
                all.push(records::decode(bytes)?);
            }
        }
        all.retain(|request| {
            let wanted = |states: &Vec<String>| states.iter().any(|word| word == state(request));
            request.organization == organization.record().id
                && self.states.as_ref().is_none_or(wanted)
        });
        let filter = self.states.clone().unwrap_or_default().join(" ");
        let asked = (Self::NAME, filter.as_str());
        let page = self
            .page
            .cut(cx, asked, all, |request| request.id.as_str())?;
        Ok(Done::unchanged(StatusesListed(page)))
    }
}

impl Output<Organizations> for StatusesListed {
    fn render(&self, out: &mut Writer<'_>) {
        let each = |request: &CreateAccountRecord, entry: &mut Writer<'_>| {
            status(request, true, entry);
        };
        self.0.render(out, "CreateAccountStatuses", each);
    }
}

/// `CreateAccountStatus`; with `done` its current state, otherwise its state when it was requested.
pub fn status(request: &CreateAccountRecord, done: bool, out: &mut Writer<'_>) {
    out.string("Id", request.id.as_str());
    out.string("AccountName", &request.account_name);
    out.timestamp("RequestedTimestamp", request.at);
    if !done {
        out.string("State", "IN_PROGRESS");
        return;
    }
    out.timestamp("CompletedTimestamp", request.at);
    out.string("State", state(request));
    match request.account {
        Some(account) => out.string("AccountId", account.as_str()),
        None => out.string("FailureReason", "EMAIL_ALREADY_EXISTS"),
    }
}

fn state(request: &CreateAccountRecord) -> &'static str {
    match request.account {
        Some(_) => "SUCCEEDED",
        None => "FAILED",
    }
}
