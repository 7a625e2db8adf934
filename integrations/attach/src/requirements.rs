//! What a machine must have before a volume can be attached.

use std::{fs::OpenOptions, io};

use rustix::thread::CapabilitySet;

use crate::{
    loop_device,
    process::is_capable,
    server,
    tool::{FSCK, MKFS, RESIZE, Tool},
};

/// One plain sentence for each thing that is missing, with the way to get it on Debian; empty if volumes can be
/// attached. It changes nothing, except that the kernel may load the modules of what it is asked for.
pub fn missing() -> Vec<String> {
    collect(true)
}

/// The same for images in plaintext, which are attached as they are.
pub fn missing_for_plain_images() -> Vec<String> {
    collect(false)
}

fn collect(served: bool) -> Vec<String> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing
            .push("This needs root: run it with sudo, or as a service of the system.".to_owned());
    } else if !is_capable(CapabilitySet::SYS_ADMIN) {
        missing.push(
            "This needs the capability CAP_SYS_ADMIN: in a container, add it (docker run --cap-add SYS_ADMIN)."
                .to_owned(),
        );
    }
    if served {
        missing.extend(device(server::FUSE, "fuse"));
    }
    missing.extend(device(loop_device::CONTROL, "loop"));
    missing.extend([MKFS, FSCK, RESIZE].into_iter().filter_map(program));
    missing
}

fn device(path: &str, module: &str) -> Option<String> {
    let opened = OpenOptions::new().read(true).write(true).open(path);
    device_sentence(path, module, opened.err()?.kind())
}

fn device_sentence(path: &str, module: &str, error: io::ErrorKind) -> Option<String> {
    Some(match error {
        io::ErrorKind::PermissionDenied => format!(
            "{path} cannot be opened: run this as root; in a container, pass the device (docker run --device {path})."
        ),
        _ => format!(
            "{path} is missing: load the kernel's module with `modprobe {module}` (Debian package kmod); in a container, on its host, and pass the device (docker run --device {path})."
        ),
    })
}

fn program(tool: Tool) -> Option<String> {
    if tool.find().is_some() {
        return None;
    }
    let Tool { name, package } = tool;
    Some(format!(
        "The program {name} is missing: install it with `apt-get install {package}`."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sentence_says_what_is_missing_and_how_to_get_it() {
        let fuse = |error| device_sentence("/dev/fuse", "fuse", error).unwrap();
        assert_eq!(
            fuse(io::ErrorKind::NotFound),
            "/dev/fuse is missing: load the kernel's module with `modprobe fuse` (Debian package kmod); in a container, on its host, and pass the device (docker run --device /dev/fuse)."
        );
        assert_eq!(
            fuse(io::ErrorKind::PermissionDenied),
            "/dev/fuse cannot be opened: run this as root; in a container, pass the device (docker run --device /dev/fuse)."
        );
        let no_such_tool = Tool {
            name: "mkfs.nothing",
            package: "nothing-utils",
        };
        assert_eq!(
            program(no_such_tool).unwrap(),
            "The program mkfs.nothing is missing: install it with `apt-get install nothing-utils`."
        );
    }
}
