//! The CustomResourceDefinition as it is installed: the derived one with its schema made strict.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::LogPilotCluster;

/// The definition to install.
pub fn crd() -> CustomResourceDefinition {
    LogPilotCluster::crd()
}
#[cfg(test)]
mod tests {
    #[test]
    fn dump() {
        println!("{}", serde_yaml::to_string(&super::crd()).unwrap());
    }
}
