//! `TagOpenIDConnectProvider`, `UntagOpenIDConnectProvider`, `ListOpenIDConnectProviderTags`
//!
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_TagOpenIDConnectProvider.html>

use keyward_engine::{
    audit::parameters::{Parameter, structures, text, texts},
    gate::supply::Supply,
    operation::{Done, Empty},
};
use keyward_types::tag::Tag;
use keyward_wire::json::Members;

use crate::{
    Cx,
    fault::IamFault,
    names,
    oidc_provider::{ProviderArn, ProviderLookup},
    on_one::{Listing, NamedOperand, OnOne},
    page::Page,
    tag_keys::Keys,
    tags::Tags,
};

/// `TagOpenIDConnectProvider`
#[derive(Debug)]
pub struct TagOpenIDConnectProvider {
    arn: ProviderArn,
    tags: Vec<Tag>,
}

keyward_types::action!("iam": TagOpenIDConnectProvider = "iam:TagOpenIDConnectProvider");

impl OnOne for TagOpenIDConnectProvider {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[
        text("OpenIDConnectProviderArn"),
        structures("Tags", names::SHOWN_TAG),
    ];
    type Action = Self;
    type Operand = ProviderArn;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let arn = ProviderArn::read(m);
        let tags = names::required_tags(m);
        Self { arn, tags }
    }

    fn checked(self) -> Result<Self, IamFault> {
        Keys::Exact.check(&self.tags)?;
        Ok(self)
    }

    fn supply(&self, _found: &ProviderLookup, supply: &mut Supply) {
        supply.request_tags(&self.tags);
    }

    fn operand(&self) -> &ProviderArn {
        &self.arn
    }

    async fn answer(&self, found: &ProviderLookup, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        found.change(cx, |provider| {
            Keys::Exact.add(&mut provider.tags, &self.tags)
        })
    }
}

/// `UntagOpenIDConnectProvider`
#[derive(Debug)]
pub struct UntagOpenIDConnectProvider {
    arn: ProviderArn,
    keys: Vec<String>,
}

keyward_types::action!("iam": UntagOpenIDConnectProvider = "iam:UntagOpenIDConnectProvider");

impl OnOne for UntagOpenIDConnectProvider {
    const READ_ONLY: bool = false;
    const PARAMETERS: &'static [Parameter] = &[text("OpenIDConnectProviderArn"), texts("TagKeys")];
    type Action = Self;
    type Operand = ProviderArn;
    type Output = Empty;

    fn read(m: &mut Members<'_>) -> Self {
        let arn = ProviderArn::read(m);
        let keys = names::tag_keys(m);
        Self { arn, keys }
    }

    fn supply(&self, _found: &ProviderLookup, supply: &mut Supply) {
        if !self.keys.is_empty() {
            supply.tag_keys(&self.keys);
        }
    }

    fn operand(&self) -> &ProviderArn {
        &self.arn
    }

    async fn answer(&self, found: &ProviderLookup, cx: &Cx<'_>) -> Result<Done<Empty>, IamFault> {
        found.change(cx, |provider| {
            Keys::Exact.remove(&mut provider.tags, &self.keys);
            Ok(())
        })
    }
}

keyward_types::actions! {
    "iam": ListOpenIDConnectProviderTags = "iam:ListOpenIDConnectProviderTags",
}

impl Listing for ListOpenIDConnectProviderTags {
    type Action = Self;
    type Operand = ProviderArn;
    type Item = (usize, Tag);
    type Output = Tags;

    async fn items(found: &ProviderLookup, _cx: &Cx<'_>) -> Result<Vec<Self::Item>, IamFault> {
        Ok(Tags::in_order(&found.get()?.record().tags))
    }

    fn key(item: &Self::Item) -> String {
        Tags::place(item)
    }

    async fn answer(
        _found: &ProviderLookup,
        page: Page<Self::Item>,
        _cx: &Cx<'_>,
    ) -> Result<Tags, IamFault> {
        Ok(Tags::page(page))
    }
}
