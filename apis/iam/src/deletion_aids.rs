//! Lists that tools ask for before they delete a user or role, of things that Keyward does not
//! have: certificates, devices, passwords. They are always empty.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_users_remove.html>

use std::marker::PhantomData;

use keyward_engine::{
    directory::units::identity::UserUnit,
    gate::{Denied, Gate},
    operation::{Done, Empty, Operation, Output},
    policy::permit::Permit,
};
use keyward_types::action::Action;
use keyward_wire::{query::Params, xml};

use crate::{
    Cx, Iam, action,
    entity::Lookup,
    fault::IamFault,
    names,
    page::{Page, Paging},
    user::named_or_caller,
};

/// What a list is called, and whether it is of a user's things.
pub trait Listed: Action {
    /// The element that holds it.
    const LIST: &'static str;
    /// The most characters of the user's name, where it is of a user's things.
    const LONGEST_USER: usize = names::EXISTING_USER;
}

macro_rules! listed {
    ($($action:ident = $list:literal $(, $longest:expr)?;)*) => {$(
        impl Listed for action::$action {
            const LIST: &'static str = $list;
            $(const LONGEST_USER: usize = $longest;)?
        }
    )*};
}
listed! {
    ListMFADevices = "MFADevices";
    ListSSHPublicKeys = "SSHPublicKeys", names::USER;
    ListServiceSpecificCredentials = "ServiceSpecificCredentials", names::USER;
    ListSigningCertificates = "Certificates";
    ListVirtualMFADevices = "VirtualMFADevices";
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
    action: PhantomData<fn() -> A>,
}

impl<A: Listed> Operation for OfUser<A> {
    const NAME: &'static str = A::OPERATION;
    const READ_ONLY: bool = true;
    type Api = Iam;
    type Output = Nothing;
    type Fault = IamFault;
    /// The user; none for the root user, who asks for itself.
    type Resolved = Option<Lookup<UserUnit>>;
    type Permits = Permit<A>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        let user = names::optional_name(&mut m, "UserName", A::LONGEST_USER);
        Paging::read(&mut m);
        m.finish()?;
        let action = PhantomData;
        Ok(Self { user, action })
    }

    async fn resolve(&self, cx: &Cx<'_>) -> Result<Self::Resolved, IamFault> {
        if self.user.is_none() && cx.caller.principal().is_root() {
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
pub struct ListVirtualMfaDevices;

impl Operation for ListVirtualMfaDevices {
    const NAME: &'static str = "ListVirtualMFADevices";
    const READ_ONLY: bool = true;
    type Api = Iam;
    type Output = Nothing;
    type Fault = IamFault;
    type Resolved = ();
    type Permits = Permit<action::ListVirtualMFADevices>;

    fn parse(params: &Params<'_>) -> Result<Self, IamFault> {
        let mut m = params.members();
        m.enumeration("AssignmentStatus", &["Assigned", "Unassigned", "Any"])
            .optional();
        Paging::read(&mut m);
        m.finish()?;
        Ok(Self)
    }

    async fn resolve(&self, _cx: &Cx<'_>) -> Result<(), IamFault> {
        Ok(())
    }

    fn authorize(&self, (): &(), gate: &Gate<'_>) -> Result<Self::Permits, Denied> {
        gate.global_account(|_| ())
    }

    async fn call(
        &self,
        _permit: &Self::Permits,
        (): &(),
        _cx: &Cx<'_>,
    ) -> Result<Done<Nothing>, IamFault> {
        Ok(Done::unchanged(Nothing(
            action::ListVirtualMFADevices::LIST,
        )))
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
