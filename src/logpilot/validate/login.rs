//! Validation of annotations that delegate the authentication of requests to another server.
//! `api/rules/ingress.rs` contains the same check.
//!
//! The configuration of nginx contains the values without quotes (CVE-2025-24514). A value must
//! therefore be a URL with a few known variables, or names of headers. nginx sends requests to the
//! URL from inside the Kubernetes cluster, as backup pods do to their endpoint.

use url::Url;

use super::bucket;

const NGINX: &str = "nginx.ingress.kubernetes.io/";
/// Load balancers of AWS. No configuration file is generated from these annotations.
const ALB: &str = "alb.ingress.kubernetes.io/";

const WORDS: &str = "must be a URL such as https://$host/oauth2/auth with only the variables $host \
                     and $scheme, and in the query $request_uri and $escaped_request_uri";

/// Checks whether an annotation whose name begins with `auth-` may have a value. `Err(None)`: no
/// value is allowed.
pub(super) fn judge(key: &str, value: &str) -> Result<(), Option<&'static str>> {
    if key
        .strip_prefix(ALB)
        .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
    {
        return Ok(());
    }
    match key.strip_prefix(NGINX) {
        Some("auth-url" | "auth-signin") if !is_url(value) => Err(Some(WORDS)),
        Some("auth-url") if is_asked_of_a_neighbour(value) => Err(Some(
            "must not contain the address of a cloud's metadata service, of the API server or of the pod itself",
        )),
        Some("auth-response-headers") if !is_headers(value) => {
            Err(Some("must be a list of header names, separated by commas"))
        }
        Some("auth-url" | "auth-signin" | "auth-response-headers") => Ok(()),
        _ => Err(None),
    }
}

fn is_url(value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once("://") else { return false };
    let (before, query) = rest.split_once('?').map_or((rest, ""), |(before, query)| (before, query));
    let (authority, path) = before.split_once('/').unwrap_or((before, ""));
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let all = |text: &str, marks: &[u8]| {
        text.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte))
    };
    ["http", "https", "$scheme"].contains(&scheme)
        && (host == "$host" || !host.is_empty() && all(host, b".-"))
        && port.is_none_or(|port| {
            (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit())
        })
        && all(path, b"._~/-")
        && is_query(query)
}

fn is_query(query: &str) -> bool {
    const VARIABLES: [&str; 4] = ["host", "scheme", "request_uri", "escaped_request_uri"];
    let mut parts = query.split('$');
    let plain =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._~/=&:%-".contains(&byte));
    parts.next().is_none_or(plain)
        && parts.all(|part| {
            // As in nginx, the name of a variable is as long as possible.
            let end =
                part.find(|char: char| !char.is_ascii_alphanumeric() && char != '_').unwrap_or(part.len());
            let (name, rest) = part.split_at(end);
            VARIABLES.contains(&name) && plain(rest)
        })
}

fn is_headers(value: &str) -> bool {
    value.split(',').enumerate().all(|(index, name)| {
        let name = if index > 0 { name.strip_prefix(' ').unwrap_or(name) } else { name };
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}

fn is_asked_of_a_neighbour(value: &str) -> bool {
    let plain = value.replace("$scheme", "https").replace("$host", "host.example");
    Url::parse(&plain).is_ok_and(|url| bucket::forbidden_host(url.host()).is_some())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::alb("alb.ingress.kubernetes.io/auth-idp-oidc", "{\"issuer\":\"https://example.com\"}")]
    #[case::proxy("nginx.ingress.kubernetes.io/auth-url", "https://$host/oauth2/auth")]
    #[case::service(
        "nginx.ingress.kubernetes.io/auth-url",
        "http://oauth2-proxy.auth.svc.cluster.local:4180/oauth2/auth"
    )]
    #[case::signin(
        "nginx.ingress.kubernetes.io/auth-signin",
        "https://$host/oauth2/start?rd=$escaped_request_uri"
    )]
    #[case::back(
        "nginx.ingress.kubernetes.io/auth-signin",
        "https://login.example.com/?rd=$scheme://$host$request_uri"
    )]
    #[case::headers(
        "nginx.ingress.kubernetes.io/auth-response-headers",
        "X-Auth-Request-User, X-Auth-Request-Email,Authorization"
    )]
    fn a_login_elsewhere_is_taken(#[case] key: &str, #[case] value: &str) {
        assert_eq!(judge(key, value), Ok(()));
    }

    #[rstest]
    #[case("https://a/x; }")]
    #[case("https://a/x#;")]
    #[case("https://a/x\n")]
    #[case("https://a/x y")]
    #[case("https://a/$request_uri")]
    #[case("https://$hostx/a")]
    #[case("https://a?x=$hostx")]
    #[case("https://a?x=$http_cookie")]
    #[case("https://a?x=${host}")]
    #[case("https://a?x=$")]
    #[case("https://a?x=\\")]
    #[case("https://a?x='")]
    #[case("https://a:port/")]
    #[case("https://user@a/")]
    #[case("https:///x")]
    #[case("ftp://a/")]
    #[case("/oauth2/auth")]
    #[case("")]
    fn what_nginx_would_read_otherwise_is_refused(#[case] value: &str) {
        for name in ["auth-url", "auth-signin"] {
            assert_eq!(judge(&format!("{NGINX}{name}"), value), Err(Some(WORDS)), "{value}");
        }
    }

    #[rstest]
    #[case("http://169.254.169.254/latest/")]
    #[case("https://kubernetes.default.svc/")]
    #[case("http://127.0.0.1:10246/")]
    fn nothing_that_trusts_its_neighbours_is_asked(#[case] value: &str) {
        assert!(judge("nginx.ingress.kubernetes.io/auth-url", value).is_err());
    }

    #[rstest]
    #[case("nginx.ingress.kubernetes.io/auth-tls-match-cn")]
    #[case("nginx.ingress.kubernetes.io/auth-proxy-set-headers")]
    #[case("nginx.ingress.kubernetes.io/auth-secret")]
    #[case("custom.example.com/auth-url")]
    #[case("haproxy-ingress.github.io/auth-url")]
    #[case("alb.ingress.kubernetes.io/auth-x/y")]
    fn every_other_one_is_refused(#[case] key: &str) {
        assert_eq!(judge(key, "https://example.com"), Err(None));
    }
}
