//! Lists that tools ask for before they delete a user or role, of things that Keyward does not
//! have: certificates, devices, passwords. They are always empty.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_users_remove.html>

use std::marker::PhantomData;

use keyward_engine::{
    audit::parameters::{Parameter, boolean, integer, text},
    directory::units::identity::UserUnit,
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::action::Action;
use keyward_wire::{json::Members, query::Params, xml};

use crate::{
    Cx, Iam,
    entity::Lookup,
    fault::IamFault,
    names,
    on_one::{OnOne, WholeAccount},
    page::{Page, Paging},
    user::named_or_caller,
};

keyward_types::actions! {
    "iam":
    DeleteLoginProfile = "iam:DeleteLoginProfile",
    GetLoginProfile = "iam:GetLoginProfile",
    ListMFADevices = "iam:ListMFADevices",
    ListSSHPublicKeys = "iam:ListSSHPublicKeys",
    ListServiceSpecificCredentials = "iam:ListServiceSpecificCredentials",
    ListSigningCertificates = "iam:ListSigningCertificates",
}

/// A list of a user's things.
pub trait OfOneUser: Action {
    /// The element with the result.
    const LIST: &'static str;
    /// The most characters of the user's name.
    const LONGEST_USER: usize;
    /// See [`Operation::PARAMETERS`].
    const PARAMETERS: &'static [Parameter] =
        &[text("UserName"), text("Marker"), integer("MaxItems")];

    /// Reads its other members, and returns whether it is about all users.
    fn read(_members: &mut Members<'_>) -> bool {
        false
    }
}

impl OfOneUser for ListMFADevices {
    const LIST: &'static str = "MFADevices";
    const LONGEST_USER: usize = names::EXISTING_USER;
}

impl OfOneUser for ListSSHPublicKeys {
    const LIST: &'static str = "SSHPublicKeys";
    const LONGEST_USER: usize = names::USER;
}

impl OfOneUser for ListServiceSpecificCredentials {
    const LIST: &'static str = "ServiceSpecificCredentials";
    const LONGEST_USER: usize = names::USER;
    const PARAMETERS: &'static [Parameter] = &[
        text("UserName"),
        text("ServiceName"),
        boolean("AllUsers"),
        text("Marker"),
        integer("MaxItems"),
    ];

    fn read(members: &mut Members<'_>) -> bool {
        // There is nothing to be filtered.
        members.string("ServiceName").optional();
        members.boolean("AllUsers").optional().unwrap_or(false)
    }
}

impl OfOneUser for ListSigningCertificates {
    const LIST: &'static str = "Certificates";
    const LONGEST_USER: usize = names::EXISTING_USER;
}

/// An empty list.
#[derive(Debug)]
pub struct Nothing(&'static str);

impl Output<Iam> for Nothing {
    fn render(&self, out: &mut xml::Writer<'_>) {
        Page::<()>::empty().render(out, self.0, |_, ()| ());
    }
}

/// `ListMFADevices`, `ListSSHPublicKeys`, `ListServiceSpecificCredentials`,
/// `ListSigningCertificates`: of a user.
#[derive(Debug)]
pub struct OfUser<A> {
    user: Option<String>,
    all_users: bool,
    action: PhantomData<fn() -> A>,
}

impl<A: OfOneUser> Operation for OfUser<A> {
    const NAME: &'static str = A::OPERATION;
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = A::PARAMETERS;
    type Api = Iam;
    type Output = Nothing;
    type Fault = IamFault;
    /// The user; `None` for all users, and for the root user, for itself.
    type Resolved = Option<Lookup<UserUnit>>;
    type Permits = Permit<A>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let user = names::optional_name(&mut m, "UserName", A::LONGEST_USER);
        let all_users = A::read(&mut m);
        Paging::read(&mut m);
        m.finish()?;
        if all_users && user.is_some() {
            let message = "AllUsers cannot be specified together with UserName.".to_owned();
            return Err(IamFault::Validation { message });
        }
        Ok(Self {
            user,
            all_users,
            action: PhantomData,
        })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, IamFault> {
        if self.all_users || self.user.is_none() && cx.caller.principal().is_root() {
            return Ok(None);
        }
        named_or_caller(cx, self.user.as_deref()).await.map(Some)
    }

    fn authorize(&self, user: &Self::Resolved, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        match user {
            Some(user) => user.permit(gate, |_| ()),
            None => gate.global_account(|_| ()),
        }
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        user: &Self::Resolved,
        _cx: &Cx<'_>,
    ) -> Result<Done<Nothing>, IamFault> {
        if let Some(user) = user {
            user.get()?;
        }
        Ok(Done::unchanged(Nothing(A::LIST)))
    }
}

/// `ListVirtualMFADevices`
#[derive(Debug)]
pub struct ListVirtualMFADevices;

keyward_types::action!("iam": ListVirtualMFADevices = "iam:ListVirtualMFADevices");

impl OnOne for ListVirtualMFADevices {
    const READ_ONLY: bool = true;
    const PARAMETERS: &'static [Parameter] = &[
        text("AssignmentStatus"),
        text("Marker"),
        integer("MaxItems"),
    ];
    type Action = Self;
    type Operand = WholeAccount;
    type Output = Nothing;

    fn read(m: &mut Members<'_>) -> Self {
        m.enumeration("AssignmentStatus", &["Assigned", "Unassigned", "Any"])
            .optional();
        Paging::read(m);
        Self
    }

    fn operand(&self) -> &WholeAccount {
        &WholeAccount
    }

    async fn answer(&self, (): &(), _cx: &Cx<'_>) -> Result<Done<Nothing>, IamFault> {
        Ok(Done::unchanged(Nothing("VirtualMFADevices")))
    }
}

/// `GetLoginProfile`, `DeleteLoginProfile`: no user has a password.
#[derive(Debug)]
pub struct LoginProfile<A> {
    user: Option<String>,
    action: PhantomData<fn() -> A>,
}

impl<A: Action> Operation for LoginProfile<A> {
    const NAME: &'static str = A::OPERATION;
    const READ_ONLY: bool = matches!(A::OPERATION.as_bytes(), [b'G', ..]);
    const PARAMETERS: &'static [Parameter] = &[text("UserName")];
    type Api = Iam;
    type Output = Empty;
    type Fault = IamFault;
    type Resolved = Lookup<UserUnit>;
    type Permits = Permit<A>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let user = names::optional_name(&mut m, "UserName", names::USER);
        m.finish()?;
        let action = PhantomData;
        Ok(Self { user, action })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Lookup<UserUnit>, IamFault> {
        named_or_caller(cx, self.user.as_deref()).await
    }

    fn authorize(&self, user: &Lookup<UserUnit>, gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        user.permit(gate, |_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        user: &Lookup<UserUnit>,
        _cx: &Cx<'_>,
    ) -> Result<Done<Empty>, IamFault> {
        let name = &user.get()?.record().name;
        let message = format!("Login Profile for User {name} cannot be found.");
        Err(IamFault::missing(message))
    }
}
