//! Access to a Kubernetes cluster: kubeconfigs and clients for the administrator, for impersonated
//! users and for service accounts.
//!
//! It works in the same way on a control plane that this crate started and on a given cluster. Each
//! call creates a new client: a `kube::Client` belongs to the async runtime in which it was
//! created, and every test has its own.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::ServiceAccount,
};
use kube::{
    Api, Client, Config,
    api::PostParams,
    config::{
        AuthInfo, Cluster, Context as KubeContext, KubeConfigOptions, Kubeconfig, NamedAuthInfo,
        NamedCluster, NamedContext,
    },
};

use crate::{Error, Result, error::Context, pki::Credentials};

/// Long enough for any test run, so that no token expires within one.
const TOKEN_LIFETIME_SECONDS: i64 = 24 * 3600;
const NAME: &str = "local-cluster";

/// The administrator's kubeconfig and what can be derived from it.
#[derive(Debug, Clone)]
pub struct Access {
    admin: Kubeconfig,
}

impl Access {
    pub(crate) fn new(admin: Kubeconfig) -> Self {
        Self { admin }
    }

    /// The administrator's kubeconfig; self-contained when this crate made it.
    #[must_use]
    pub fn kubeconfig(&self) -> &Kubeconfig {
        &self.admin
    }

    /// A client of the administrator.
    pub async fn client(&self) -> Result<Client> {
        client_from(self.admin.clone()).await
    }

    /// A client of the administrator that impersonates another user; for tests of what a role may do.
    pub async fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client> {
        let mut config = config_from(self.admin.clone()).await?;
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups =
            (!groups.is_empty()).then(|| groups.iter().map(|&group| group.to_owned()).collect());
        Client::try_from(config).during(format!("create a client that impersonates {user}"))
    }

    /// A kubeconfig with a token of the service account, from the TokenRequest API. The account
    /// must exist.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<Kubeconfig> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(TOKEN_LIFETIME_SECONDS),
                ..Default::default()
            }),
            ..Default::default()
        };
        let token = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .during(format!("request a token of ServiceAccount {namespace}/{name}"))?
            .status
            .and_then(|status| status.token)
            .unwrap_or_default();
        let cluster = self.current_cluster()?;
        let user = AuthInfo { token: Some(token.into()), ..AuthInfo::default() };
        Ok(assemble(cluster, user))
    }

    /// A client with a token of the service account, as the operator itself uses.
    pub async fn client_for_service_account(&self, namespace: &str, name: &str) -> Result<Client> {
        client_from(self.service_account_kubeconfig(namespace, name).await?).await
    }

    fn current_cluster(&self) -> Result<Cluster> {
        let current = self.admin.current_context.as_deref();
        let context = self.admin.contexts.iter().find(|named| Some(named.name.as_str()) == current);
        let wanted = context.and_then(|named| named.context.as_ref()).map(|context| context.cluster.as_str());
        self.admin
            .clusters
            .iter()
            .find(|named| Some(named.name.as_str()) == wanted)
            .and_then(|named| named.cluster.clone())
            .ok_or_else(|| Error::Kubeconfig {
                step: "find the current context's cluster".to_owned(),
                cause: format!("context {current:?} names cluster {wanted:?}, which is not there"),
            })
    }
}

/// A self-contained kubeconfig: server, CA and client certificate.
pub(crate) fn kubeconfig_with_certificate(server: &str, ca_pem: &str, client: &Credentials) -> Kubeconfig {
    let cluster = Cluster {
        server: Some(server.to_owned()),
        certificate_authority_data: Some(BASE64.encode(ca_pem)),
        ..Cluster::default()
    };
    let user = AuthInfo {
        client_certificate_data: Some(BASE64.encode(&client.certificate)),
        client_key_data: Some(BASE64.encode(&client.key).into()),
        ..AuthInfo::default()
    };
    assemble(cluster, user)
}

/// A client for the kubeconfig's current context.
pub async fn client_from(kubeconfig: Kubeconfig) -> Result<Client> {
    Client::try_from(config_from(kubeconfig).await?).during("create a client")
}

async fn config_from(kubeconfig: Kubeconfig) -> Result<Config> {
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(|error| {
        Error::Kubeconfig { step: "read the kubeconfig".to_owned(), cause: error.to_string() }
    })
}

fn assemble(cluster: Cluster, user: AuthInfo) -> Kubeconfig {
    let context =
        KubeContext { cluster: NAME.to_owned(), user: Some(NAME.to_owned()), ..KubeContext::default() };
    Kubeconfig {
        clusters: vec![NamedCluster {
            name: NAME.to_owned(),
            cluster: Some(cluster),
            ..NamedCluster::default()
        }],
        auth_infos: vec![NamedAuthInfo {
            name: NAME.to_owned(),
            auth_info: Some(user),
            ..NamedAuthInfo::default()
        }],
        contexts: vec![NamedContext {
            name: NAME.to_owned(),
            context: Some(context),
            ..NamedContext::default()
        }],
        current_context: Some(NAME.to_owned()),
        ..Kubeconfig::default()
    }
}
