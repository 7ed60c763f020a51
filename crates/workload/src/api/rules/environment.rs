//! Environment variables: names, and what their values refer to.

use kube::core::Rule;

pub fn variable_name() -> Rule {
    Rule::new("self.matches('^[A-Za-z_][A-Za-z0-9_]*$')")
        .message("must be a C identifier: letters, digits and '_', not starting with a digit")
}

/// As in a Pod, a divisor of CPU is not valid for memory.
pub fn divisor_fits() -> Rule {
    Rule::new("!has(self.divisor) || (self.resource.endsWith('.cpu') ? string(self.divisor) in ['1m', '1'] : string(self.divisor) in ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'])")
        .message("must be '1m' or '1' for CPU, and for memory and disk '1' or one of the units k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei, such as '1Mi'")
        .field_path(".divisor")
}

/// The fields that the downward API offers as variables.
pub fn pod_field() -> Rule {
    Rule::new("self.matches('^(metadata[.](name|namespace|uid)|metadata[.](labels|annotations)\\\\[\\'[^\\']+\\'\\\\]|spec[.](nodeName|serviceAccountName)|status[.](hostIP|hostIPs|podIP|podIPs))$')")
        .message("must be one of metadata.name, metadata.namespace, metadata.uid, metadata.labels['<key>'], metadata.annotations['<key>'], spec.nodeName, spec.serviceAccountName, status.hostIP, status.hostIPs, status.podIP, status.podIPs")
}
