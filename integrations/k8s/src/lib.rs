//! A KMS v2 provider: the plugin by which a Kubernetes API server encrypts what it stores in etcd under a key of
//! Keyward or of AWS KMS. It takes over from aws-encryption-provider: its flags, its metrics and its ciphertext.
//!
//! <https://kubernetes.io/docs/tasks/administer-cluster/kms-provider/>
#![forbid(unsafe_code)]

pub mod aws;
pub mod context;
pub mod fault;
mod files;
mod health;
mod http;
pub mod incoming;
pub mod kms;
pub mod limiter;
mod limits;
pub mod metrics;
pub mod names;
mod place;
pub mod plugin;
pub mod provider;
pub mod service;
pub mod socket;
pub mod wire;
