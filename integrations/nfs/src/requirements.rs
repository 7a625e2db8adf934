//! What a machine must have before NFS can be served.

use rustix::thread::{CapabilitySet, capabilities};

use crate::ganesha;

/// One plain sentence for each thing that is missing, with the way to get it on Debian; empty if NFS can be
/// served.
pub fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing
            .push("This needs root: run it with sudo, or as a service of the system.".to_owned());
    } else if let Some(sentence) = namespaces() {
        missing.push(sentence);
    }
    for (path, package) in ganesha::programs() {
        if !path.is_file() {
            missing.push(program(&path.display().to_string(), package));
        }
    }
    missing
}

fn program(path: &str, package: &str) -> String {
    format!("{path} is missing: install it with `apt-get install {package}`.")
}

/// Tries it on a thread that ends at once.
fn namespaces() -> Option<String> {
    let is_capable = capabilities(None).is_ok_and(|sets| {
        sets.effective
            .contains(CapabilitySet::SYS_ADMIN | CapabilitySet::DAC_READ_SEARCH)
    });
    if !is_capable {
        return Some(
            "This needs the capabilities CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH: in a container, add them (docker run --cap-add SYS_ADMIN --cap-add DAC_READ_SEARCH)."
                .to_owned(),
        );
    }
    let tried = std::thread::spawn(crate::unshare::network_and_mounts).join();
    match tried {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(unshared(&error.to_string())),
        Err(_) => Some(unshared("the attempt failed")),
    }
}

fn unshared(error: &str) -> String {
    format!(
        "Namespaces for network and mounts cannot be made ({error}): the kernel needs CONFIG_NET_NS; in a container, its profile must allow unshare, mount and pivot_root (docker run --security-opt seccomp=unconfined --security-opt apparmor=unconfined)."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_says_what_is_missing_and_how_to_get_it() {
        assert_eq!(
            program(ganesha::SERVER, "nfs-ganesha"),
            "/usr/bin/ganesha.nfsd is missing: install it with `apt-get install nfs-ganesha`."
        );
        assert!(unshared("Operation not permitted (os error 1)").starts_with(
            "Namespaces for network and mounts cannot be made (Operation not permitted (os error 1)): "
        ));
    }
}
