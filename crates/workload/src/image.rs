//! Image references: parsed, redirected to a mirror, and formatted.

use std::fmt;

/// `registry/repository:tag@digest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Host of the registry, with its port. `None` is the container runtime's default.
    pub registry: Option<String>,
    pub repository: String,
    pub tag: Option<String>,
    /// `sha256:…`
    pub digest: Option<String>,
}

impl Image {
    /// Returns `None` if the text is not an image reference.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let (registry, repository) = match path.split_once('/') {
            Some((host, repository)) if is_host(host) => (Some(host.to_owned()), repository),
            _ => (None, path),
        };
        let image = Self { registry, repository: repository.to_owned(), tag, digest };
        image.is_valid().then_some(image)
    }

    /// Returns why a component must not run this image. `example` is an image that it may run.
    #[must_use]
    pub fn objection(text: &str, example: &str) -> Option<String> {
        match Self::parse(text) {
            None => Some(format!(
                "'{text}' must be an image reference such as '{example}', without scheme or spaces"
            )),
            Some(image) if !image.is_pinned() => Some(format!(
                "'{text}' needs a tag or a digest: without one the version that runs is unknown"
            )),
            Some(_) => None,
        }
    }

    /// Returns the same image from a mirror: the mirror's prefix replaces the registry.
    #[must_use]
    pub fn mirrored(self, prefix: &str) -> Self {
        Self { registry: Some(prefix.to_owned()), ..self }
    }

    /// Returns whether the reference has a digest, which always identifies the same bytes, or at least
    /// a version.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.tag.is_some() || self.digest.is_some()
    }

    /// Returns whether the tag is usually moved to newer images. The running version is then unknown,
    /// and a rollback is impossible.
    #[must_use]
    pub fn is_latest(&self) -> bool {
        self.digest.is_none() && self.tag.as_deref() == Some("latest")
    }

    /// Returns the tag, or otherwise the digest.
    #[must_use]
    pub fn version(&self) -> &str {
        self.tag.as_deref().or(self.digest.as_deref()).unwrap_or_default()
    }

    fn is_valid(&self) -> bool {
        let repository = !self.repository.is_empty() && self.repository.split('/').all(is_path_part);
        let tag = self.tag.as_ref().is_none_or(|tag| {
            !tag.is_empty()
                && tag.len() <= 128
                && !tag.starts_with(['.', '-'])
                && tag.chars().all(|char| char.is_ascii_alphanumeric() || "_.-".contains(char))
        });
        let digest = self.digest.as_ref().is_none_or(|digest| {
            digest.strip_prefix("sha256:").is_some_and(|hex| {
                hex.len() == 64
                    && hex.chars().all(|char| char.is_ascii_digit() || ('a'..='f').contains(&char))
            })
        });
        let registry = self.registry.as_ref().is_none_or(|host| {
            let (name, port) = host.split_once(':').unwrap_or((host, "0"));
            name.starts_with(|first: char| first.is_ascii_alphanumeric())
                && name.ends_with(|last: char| last.is_ascii_alphanumeric())
                && name.chars().all(|char| char.is_ascii_alphanumeric() || ".-".contains(char))
                && port.parse::<u16>().is_ok()
        });
        repository && tag && digest && registry
    }
}

impl fmt::Display for Image {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(formatter, "{registry}/")?;
        }
        formatter.write_str(&self.repository)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

/// Returns whether the first part of a path is a registry. It is one if it cannot be a user's name.
fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

fn is_path_part(part: &str) -> bool {
    let edge = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
    part.starts_with(edge)
        && part.ends_with(edge)
        && part.chars().all(|char| edge(char) || "._-".contains(char))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("nginx:1", None, "nginx", Some("1"), None)]
    #[case("danpung2/app:1.2.0", None, "danpung2/app", Some("1.2.0"), None)]
    #[case("localhost/app:1", Some("localhost"), "app", Some("1"), None)]
    #[case("registry:5000/a/b", Some("registry:5000"), "a/b", None, None)]
    #[case("registry.example.com/a:1", Some("registry.example.com"), "a", Some("1"), None)]
    fn reads_the_parts(
        #[case] text: &str,
        #[case] registry: Option<&str>,
        #[case] repository: &str,
        #[case] tag: Option<&str>,
        #[case] digest: Option<&str>,
    ) {
        let image = Image::parse(text).unwrap();
        assert_eq!(image.registry.as_deref(), registry);
        assert_eq!(image.repository, repository);
        assert_eq!(image.tag.as_deref(), tag);
        assert_eq!(image.digest.as_deref(), digest);
        assert_eq!(image.to_string(), text);
    }

    #[test]
    fn a_digest_pins_an_image() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        let image = Image::parse(&format!("r.example:5000/a/b:latest@{digest}")).unwrap();
        assert_eq!(image.digest.as_deref(), Some(digest.as_str()));
        assert!(image.is_pinned() && !image.is_latest());
        assert!(Image::parse("a:latest").unwrap().is_latest());
        assert!(!Image::parse("a").unwrap().is_pinned());
    }

    #[rstest]
    #[case("danpung2/app:1.2.0", "mirror.local:5000/hub/danpung2/app:1.2.0")]
    #[case("docker.io/danpung2/app:1.2.0", "mirror.local:5000/hub/danpung2/app:1.2.0")]
    #[case("quay.io:443/a:1", "mirror.local:5000/hub/a:1")]
    fn a_mirror_takes_the_place_of_the_registry(#[case] given: &str, #[case] wanted: &str) {
        assert_eq!(Image::parse(given).unwrap().mirrored("mirror.local:5000/hub").to_string(), wanted);
    }

    #[rstest]
    #[case("")]
    #[case(" nginx:1")]
    #[case("http://x/y:1")]
    #[case("a b:1")]
    #[case("Upper/case:1")]
    #[case("a:")]
    #[case("a:-1")]
    #[case("a//b:1")]
    #[case("a@sha256:12")]
    #[case("a@md5:00")]
    #[case("host.example:99999/a:1")]
    #[case("../a:1")]
    fn refuses_what_is_no_image(#[case] text: &str) {
        assert_eq!(Image::parse(text), None);
    }
}
