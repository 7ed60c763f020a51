//! What the kubelet shows of a container that ended: the file that it makes for that.

use std::{fs::File, io::Write, path::Path};

/// Where the kubelet makes the file, unless a pod names another place.
pub const LOG: &str = "/dev/termination-log";

/// Writes the message where there is somebody to read it. A file that is not there is not made, and a write that fails
/// changes nothing: the process ends either way.
pub fn write(log: &Path, message: &str) {
    if let Ok(mut file) = File::options().write(true).truncate(true).open(log) {
        let _ = file.write_all(message.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_message_replaces_what_was_there_and_makes_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("termination-log");
        write(&log, "nobody reads it");
        assert!(!log.exists());
        fs::write(&log, "an earlier and longer message").unwrap();
        write(&log, "ended");
        assert_eq!(fs::read_to_string(&log).unwrap(), "ended");
    }
}
