//! Objects under one prefix of a bucket.

use std::{fs, io, path::Path};

use http::header;
use rusty_s3::{
    Bucket as Signer, UrlStyle,
    actions::{CompleteMultipartUploadResponse, CreateMultipartUpload, ListObjectsV2},
};

use super::{
    Error,
    failure::{S3Error, S3Operation},
    files,
    identity::Keys,
    location::Access,
    s3_client::{Content, S3Client, with_retries},
};

/// Size of one part of an upload, in bytes.
const PART: u64 = 16 << 20;
/// Maximum number of parts of an upload that servers accept.
const PARTS: u64 = 10_000;

pub struct Bucket {
    wire: S3Client,
    signer: Signer,
    keys: Keys,
    /// Ends with `/`, or is empty.
    prefix: String,
}

impl Bucket {
    /// Prepares access to the bucket. Sends no request yet.
    pub fn new(name: &str, prefix: &str, access: &Access) -> Result<Self, Error> {
        let unusable =
            |cause: String, help| Error::Bucket { doing: "use", at: format!("s3://{name}"), cause, help };
        let keys = Keys::of_environment(&access.region)?;
        let endpoint = match &access.endpoint {
            Some(endpoint) => Ok(endpoint.clone()),
            None => format!("https://s3.{}.amazonaws.com", access.region).parse(),
        };
        let style = if access.path_style { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let signer = endpoint
            .map_err(rusty_s3::BucketError::ParseError)
            .and_then(|endpoint| Signer::new(endpoint, style, name.to_owned(), access.region.clone()))
            .map_err(|error| {
                unusable(error.to_string(), "correct the endpoint and the region, or use the path style")
            })?;
        let wire = S3Client::new(access.ca_file.as_deref())?;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Self { wire, signer, keys, prefix })
    }

    /// Returns the address of an object, for messages.
    pub fn at(&self, name: &str) -> String {
        format!("s3://{}/{}", self.signer.name(), self.key(name))
    }

    /// Returns the names directly under the prefix, in order.
    pub fn list(&self) -> Result<Vec<String>, Error> {
        let step = self.step("list", "");
        let mut names = Vec::new();
        let mut next: Option<String> = None;
        loop {
            let keys = self.keys.now()?;
            let mut action = self.signer.list_objects_v2(Some(&keys));
            action.with_prefix(self.prefix.as_str());
            action.with_delimiter("/");
            if let Some(token) = next.take() {
                action.with_continuation_token(token);
            }
            let text = self.wire.text(&step, &action, Content::None)?;
            let page = ListObjectsV2::parse_response(&text).map_err(|error| step.odd(&error))?;
            let keys = page.contents.iter().filter_map(|object| object.key.strip_prefix(&self.prefix));
            names.extend(keys.map(str::to_owned));
            next = page.next_continuation_token;
            if next.is_none() {
                return Ok(names);
            }
        }
    }

    pub fn put(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let (key, keys) = (self.key(name), self.keys.now()?);
        let action = self.signer.put_object(Some(&keys), &key);
        self.wire.text(&self.step("write", name), &action, Content::Bytes(content))?;
        Ok(())
    }

    /// Reads a small object. Returns `None` if it does not exist.
    pub fn get(&self, name: &str) -> Result<Option<String>, Error> {
        let (key, keys) = (self.key(name), self.keys.now()?);
        let action = self.signer.get_object(Some(&keys), &key);
        absent_is_none(self.wire.text(&self.step("read", name), &action, Content::None))
    }

    /// Returns size and SHA-256 of an object. Its content is written to what `into` opens.
    pub fn digest<W: io::Write>(
        &self,
        name: &str,
        into: impl Fn() -> Result<W, Error>,
    ) -> Result<(u64, String), Error> {
        let (key, keys, step) = (self.key(name), self.keys.now()?, self.step("read", name));
        let action = self.signer.get_object(Some(&keys), &key);
        let digest = with_retries(|| {
            let into = into()?;
            let answer = self.wire.send(&step, &action, Content::None)?;
            files::digest(answer.into_body().into_reader(), into).map_err(|error| step.unread(error))
        })?;
        Ok(digest)
    }

    /// Removes an object. A missing object is not an error.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        let (key, keys) = (self.key(name), self.keys.now()?);
        let action = self.signer.delete_object(Some(&keys), &key);
        absent_is_none(self.wire.text(&self.step("remove", name), &action, Content::None)).map(drop)
    }

    /// Starts an upload and returns its ID. The object is not visible before [`Self::upload`] has
    /// finished.
    pub fn begin(&self, name: &str) -> Result<String, Error> {
        let (key, keys, step) = (self.key(name), self.keys.now()?, self.step("write", name));
        let action = self.signer.create_multipart_upload(Some(&keys), &key);
        let text = self.wire.text(&step, &action, Content::Bytes(b""))?;
        let answer = CreateMultipartUpload::parse_response(&text).map_err(|error| step.odd(&error))?;
        Ok(answer.upload_id().to_owned())
    }

    pub fn upload(&self, name: &str, upload: &str, file: &Path) -> Result<(), Error> {
        let size = fs::metadata(file).map_err(Error::file("read", file))?.len();
        let (key, step) = (self.key(name), self.step("write", name));
        let mut tags = Vec::new();
        for (number, (from, length)) in (1..).zip(parts(size)) {
            let keys = self.keys.now()?;
            let action = self.signer.upload_part(Some(&keys), &key, number, upload);
            let answer =
                with_retries(|| self.wire.send(&step, &action, Content::Part { file, from, length }))?;
            let tag = answer.headers().get(header::ETAG).and_then(|tag| tag.to_str().ok());
            tags.push(tag.ok_or_else(|| step.odd(&"a part was accepted without an ETag"))?.to_owned());
        }
        let tags = || tags.iter().map(String::as_str);
        let keys = self.keys.now()?;
        let action = || self.signer.complete_multipart_upload(Some(&keys), &key, upload, tags());
        let text = self.wire.text(&step, &action(), Content::Bytes(action().body().as_bytes()))?;
        // An error can follow after the status, which then is that of a success.
        CompleteMultipartUploadResponse::parse(&text).map(drop).map_err(|_| step.refused(200, &text))
    }

    /// Removes the parts of an upload that will not be finished.
    pub fn abort(&self, name: &str, upload: &str) -> Result<(), Error> {
        let (key, keys) = (self.key(name), self.keys.now()?);
        let action = self.signer.abort_multipart_upload(Some(&keys), &key, upload);
        absent_is_none(self.wire.text(&self.step("remove", name), &action, Content::None)).map(drop)
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn step(&self, doing: &'static str, name: &str) -> S3Operation {
        S3Operation { doing, at: self.at(name) }
    }
}

fn absent_is_none(answer: Result<String, S3Error>) -> Result<Option<String>, Error> {
    match answer {
        Err(S3Error::NotFound(_)) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Returns start and length of each part. The number of parts never exceeds the maximum.
fn parts(size: u64) -> impl Iterator<Item = (u64, u64)> {
    let length = PART.max(size.div_ceil(PARTS));
    (0..size.div_ceil(length)).map(move |part| (part * length, length.min(size - part * length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole_and_never_too_many() {
        for size in [1, PART - 1, PART, PART + 1, PART * PARTS, PART * PARTS + 1, 5 << 40] {
            let (mut end, mut number) = (0, 0);
            for (from, length) in parts(size) {
                assert_eq!(from, end, "{size}");
                (end, number) = (from + length, number + 1);
            }
            assert_eq!(end, size);
            assert!((1..=PARTS).contains(&number), "{size}");
        }
    }
}
