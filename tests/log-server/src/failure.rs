//! Why the server does not start, in the words of Spring Boot: they are what a pod's status shows.

use crate::log;

/// Ends the process with code 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A value that cannot become what its property is.
    Bind { property: String, value: String, origin: String, target: &'static str, reason: String },
    /// What went wrong and what to do, as the banner shows it.
    Banner { description: String, action: String },
    /// An exception with a stack trace, here its last cause alone.
    Run(String),
}

impl Failure {
    pub fn report(&self) {
        let spring = "o.s.boot.SpringApplication";
        match self {
            Self::Bind { property, value, origin, target, reason } => {
                let description = format!(
                    "Failed to bind properties under '{property}' to {target}:\n\n    Property: {property}\n    \
                     Value: \"{value}\"\n    Origin: {origin}\n    Reason: {reason}"
                );
                banner(&description, "Update your application's configuration");
            }
            Self::Banner { description, action } => banner(description, action),
            Self::Run(cause) => log::error(spring, &format!("Application run failed\n\n{cause}")),
        }
    }
}

fn banner(description: &str, action: &str) {
    let stars = "*".repeat(27);
    log::error(
        "o.s.b.d.LoggingFailureAnalysisReporter",
        &format!(
            "\n\n{stars}\nAPPLICATION FAILED TO START\n{stars}\n\nDescription:\n\n{description}\n\nAction:\n\n{action}\n"
        ),
    );
}
