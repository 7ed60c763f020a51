//! Keys and certificates of one control plane, created in process and deleted with it.
//!
//! One CA signs everything: the servers, the clients and the front proxy. A client's common name is
//! its user and its organisation its group, as the API server reads client certificates.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};

use crate::{Error, Result, error::IoContext};

/// First address of the Service range: the address of the `kubernetes` Service.
pub(crate) const FIRST_SERVICE_IP: &str = "10.0.0.1";

/// A user as named in a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    user: String,
    group: Option<String>,
}

impl Identity {
    /// The user of the tests: bound to `cluster-admin` by RBAC, so that it is subject to fairness
    /// and admission like any other user.
    #[must_use]
    pub fn admin() -> Self {
        Self::user("admin")
    }

    /// A user with no group except `system:authenticated`.
    #[must_use]
    pub fn user(name: impl Into<String>) -> Self {
        Self { user: name.into(), group: None }
    }

    /// The same user in one group. (A certificate created here holds one; impersonate for more.)
    #[must_use]
    pub fn in_group(self, group: impl Into<String>) -> Self {
        Self { group: Some(group.into()), ..self }
    }

    /// Not for tests: `system:masters` skips RBAC and fairness. It creates the first role binding
    /// and simulates the kubelet.
    pub(crate) fn bootstrap() -> Self {
        Self::user("local-cluster:bootstrap").in_group("system:masters")
    }

    /// The name that RBAC subjects and audit events carry.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.user
    }
}

/// A certificate and its key, both PEM.
pub(crate) struct Credentials {
    pub certificate: String,
    pub key: String,
}

/// The CA, and the files that the servers read.
pub(crate) struct Pki {
    ca: Issuer<'static, KeyPair>,
    ca_certificate: String,
    dir: PathBuf,
}

impl Pki {
    /// Creates the CA, the certificate of the servers at `address`, that of the API server towards
    /// kubelets, and the service-account key pair, and writes them to `dir`.
    pub fn create(dir: &Path, address: Ipv4Addr) -> Result<Self> {
        std::fs::create_dir_all(dir).at("create", dir)?;
        let failed = |source| Error::Pki { subject: "the CA".to_owned(), source };
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name = distinguished_name("local-cluster-ca", None);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.self_signed(&key).map_err(failed)?;
        let ca_key = key.serialize_pem();
        let pki =
            Self { ca_certificate: certificate.pem(), ca: Issuer::new(params, key), dir: dir.to_owned() };
        pki.write("ca.crt", &pki.ca_certificate)?;
        pki.write("ca.key", &ca_key)?;

        let server = pki.issue(
            &Identity::user("kube-apiserver"),
            [
                "localhost",
                "127.0.0.1",
                &address.to_string(),
                FIRST_SERVICE_IP,
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
            ],
            ExtendedKeyUsagePurpose::ServerAuth,
        )?;
        pki.write_pair("server", &server)?;
        let kubelets = Identity::user("kube-apiserver-kubelet-client").in_group("system:masters");
        pki.write_pair("kubelet-client", &pki.client(&kubelets)?)?;

        let tokens = KeyPair::generate()
            .map_err(|source| Error::Pki { subject: "the service-account signer".to_owned(), source })?;
        pki.write("service-account.key", &tokens.serialize_pem())?;
        pki.write("service-account.pub", &tokens.public_key_pem())?;
        Ok(pki)
    }

    /// A client certificate for the identity.
    pub fn client(&self, identity: &Identity) -> Result<Credentials> {
        self.issue(identity, [], ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// The CA's certificate, PEM.
    pub fn ca_certificate(&self) -> &str {
        &self.ca_certificate
    }

    /// Path of one of the files that [`Pki::create`] wrote.
    pub fn path(&self, file: &str) -> String {
        self.dir.join(file).display().to_string()
    }

    fn issue<const N: usize>(
        &self,
        identity: &Identity,
        names: [&str; N],
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Credentials> {
        let failed = |source| Error::Pki { subject: identity.user.clone(), source };
        let mut params = CertificateParams::new(names.map(str::to_owned)).map_err(failed)?;
        params.distinguished_name = distinguished_name(&identity.user, identity.group.as_deref());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.ca).map_err(failed)?;
        Ok(Credentials { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    fn write_pair(&self, name: &str, credentials: &Credentials) -> Result<()> {
        self.write(&format!("{name}.crt"), &credentials.certificate)?;
        self.write(&format!("{name}.key"), &credentials.key)
    }

    fn write(&self, file: &str, pem: &str) -> Result<()> {
        let path = self.dir.join(file);
        std::fs::write(&path, pem).at("write", path)
    }
}

fn distinguished_name(common_name: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    if let Some(organization) = organization {
        name.push(DnType::OrganizationName, organization);
    }
    name
}
