//! What to connect to and what to send there.

use super::super::dial::Endpoint;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Request, Uri};
use snapback_core::check::HttpProbe;
use tokio_rustls::rustls::pki_types::ServerName;

/// What a probe's URL and `connect_to` come to.
pub(super) struct Target {
    uri: Uri,
    host: HeaderValue,
    /// Where the connection goes.
    pub(super) endpoint: Endpoint,
    /// Whom the certificate must name; absent without TLS.
    pub(super) tls_name: Option<ServerName<'static>>,
}

impl Target {
    /// Reads a probe.
    pub(super) fn of(probe: &HttpProbe) -> Result<Self, String> {
        let bad = |why: &str| format!("url {:?} can't be used: {why}", probe.url);
        let uri: Uri = probe.url.parse().map_err(|error| bad(&format!("{error}")))?;
        let (tls, usual) = match uri.scheme_str() {
            Some("http") => (false, 80),
            Some("https") => (true, 443),
            _ => return Err(bad("it must begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("a user in it isn't supported; give an authorization header in `headers`"));
        }
        let name = authority.host();
        let port = authority.port_u16().unwrap_or(usual);
        let host = if port == usual { name.to_owned() } else { format!("{name}:{port}") };
        let endpoint = match &probe.connect_to {
            None => Endpoint::new(name, port),
            Some(to) => Endpoint::parse(to).ok_or_else(|| format!("connect_to {to:?} is no host:port"))?,
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        let tls_name = tls.then(|| ServerName::try_from(bare)).transpose();
        Ok(Self {
            host: HeaderValue::from_str(&host).map_err(|error| bad(&error.to_string()))?,
            tls_name: tls_name.map_err(|error| bad(&error.to_string()))?,
            endpoint,
            uri,
        })
    }

    /// Returns the request to send.
    pub(super) fn request(&self, probe: &HttpProbe) -> Result<Request<Empty<Bytes>>, String> {
        let path = self.uri.path_and_query().map_or("/", |path| path.as_str());
        let agent = concat!("snapback/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::get(path)
            .header(header::HOST, &self.host)
            .header(header::USER_AGENT, agent)
            .header(header::ACCEPT, "*/*")
            .header(header::CONNECTION, "close")
            .body(Empty::new())
            .map_err(|error| format!("url {:?} can't be used: {error}", probe.url))?;
        for (name, value) in &probe.headers {
            // The value may be a secret, so it isn't quoted.
            let bad = || format!("header {name:?} can't be sent: its name or value isn't allowed in HTTP");
            let value = HeaderValue::from_str(value).map_err(|_| bad())?;
            request.headers_mut().insert(HeaderName::try_from(name).map_err(|_| bad())?, value);
        }
        Ok(request)
    }
}
