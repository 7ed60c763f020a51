//! The termination message of a container, in the file that the kubelet creates for it.

use std::{fs::File, io::Write, path::Path};

/// The default path of the file, unless a pod sets another one.
pub const LOG: &str = "/dev/termination-log";

/// Writes the message if the file exists. The file is never created, and a failed write changes
/// nothing: the process ends anyway.
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
