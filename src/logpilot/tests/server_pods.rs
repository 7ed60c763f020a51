//! One judge for every source of a value: the pod as it would be applied, and the overlay.

use rstest::rstest;

use super::*;
use crate::{
    api::patches::{ObjectPatch, PatchTarget},
    workload::api::patches::PatchType,
};

/// A Deployment whose pod is patched.
fn patched(type_: &str, pod: &str) -> String {
    format!(
        "{{ namespace: {{ podSecurity: Privileged }}, patches: [{{ target: {{ kind: Deployment, name: logpilot-all }}, type: {type_}, patch: {{ spec: {{ template: {{ spec: {pod} }} }} }} }}] }}"
    )
}

/// The server's container with these fields.
fn server(fields: &str) -> String {
    format!("{{ containers: [{{ name: logpilot, {fields} }}] }}")
}

fn env(name: &str, value: &str) -> String {
    server(&format!("env: [{{ name: {name}, value: '{value}' }}]"))
}

const AT: &str = "spec.patches[0].patch.spec.template.spec";

#[track_caller]
fn refused(spec: &str, path: &str, words: &str) {
    let found = violations(spec);
    let told = found.iter().any(|it| it.path == format!("{AT}.{path}") && it.message.contains(words));
    assert!(told, "{path}: {found:#?}");
}

#[rstest]
#[case::json(
    env("SPRING_APPLICATION_JSON", "{\"logpilot\":{\"server\":{\"api-key\":\"\"}}}"),
    "containers[0].env[SPRING_APPLICATION_JSON]",
    "config.overlay"
)]
#[case::java(
    env("JAVA_TOOL_OPTIONS", "-Dlogpilot.server.api-key="),
    "containers[0].env[JAVA_TOOL_OPTIONS]",
    "auth.apiKeySecret"
)]
#[case::jdk(
    env("JDK_JAVA_OPTIONS", "-Xmx1g -Dlogpilot.server.apiKey="),
    "containers[0].env[JDK_JAVA_OPTIONS]",
    "auth.apiKeySecret"
)]
#[case::old_java(
    env("_JAVA_OPTIONS", "-Dserver.port=1"),
    "containers[0].env[_JAVA_OPTIONS]",
    "HTTP port is fixed"
)]
#[case::json_option(
    env("JAVA_TOOL_OPTIONS", "-Dspring.application.json={}"),
    "containers[0].env[JAVA_TOOL_OPTIONS]",
    "config.overlay"
)]
#[case::port(env("SERVER_PORT", "1"), "containers[0].env[SERVER_PORT]", "loadBalancer")]
#[case::dotted(env("server.port", "1"), "containers[0].env[server.port]", "loadBalancer")]
#[case::spelled(env("Server__Port", "1"), "containers[0].env[Server__Port]", "loadBalancer")]
#[case::location(
    env("SPRING_CONFIG_ADDITIONAL_LOCATION", "file:/other/"),
    "containers[0].env[SPRING_CONFIG_ADDITIONAL_LOCATION]",
    "config.overlay"
)]
#[case::key(
    env("LOGPILOT_SERVER_API_KEY", "x"),
    "containers[0].env[LOGPILOT_SERVER_API_KEY]",
    "auth.apiKeySecret"
)]
#[case::no_key(
    server("env: [{ name: LOGPILOT_SERVER_API_KEY, $patch: delete }]"),
    "containers[0].env[LOGPILOT_SERVER_API_KEY]",
    "must be kept"
)]
#[case::shutdown(
    env("SERVER_SHUTDOWN", "immediate"),
    "containers[0].env[SERVER_SHUTDOWN]",
    "terminationGracePeriodSeconds"
)]
#[case::no_shutdown(
    server("env: [{ name: SERVER_SHUTDOWN, $patch: delete }]"),
    "containers[0].env[SERVER_SHUTDOWN]",
    "must be kept"
)]
#[case::reference(
    server("env: [{ name: P, value: server.port }, { name: JDK_JAVA_OPTIONS, value: -D$(P)=1 }]"),
    "containers[0].env[JDK_JAVA_OPTIONS]",
    "HTTP port"
)]
#[case::annotation(
    server(
        "env: [{ name: JDK_JAVA_OPTIONS, valueFrom: { fieldRef: { fieldPath: \"metadata.annotations['a']\" } } }]"
    ),
    "containers[0].env[JDK_JAVA_OPTIONS]",
    "does not read"
)]
#[case::secret(
    server("env: [{ name: JDK_JAVA_OPTIONS, valueFrom: { secretKeyRef: { name: a, key: b } } }]"),
    "containers[0].env[JDK_JAVA_OPTIONS]",
    "does not read"
)]
#[case::sources(
    server("envFrom: [{ secretRef: { name: a } }]"),
    "containers[0].envFrom",
    "`envFrom` of the component"
)]
#[case::argument(server("args: ['--logpilot.server.api-key=']"), "containers[0].args", "auth.apiKeySecret")]
#[case::port_argument(server("args: ['--server.port=1']"), "containers[0].args", "HTTP port")]
#[case::argument_by_reference(
    server("env: [{ name: P, value: '--server.port=1' }], args: ['$(P)']"),
    "containers[0].args",
    "HTTP port"
)]
#[case::command(server("command: [java, -jar, app.jar]"), "containers[0].command", "another program")]
#[case::config_volume("{ volumes: [{ name: config, configMap: { name: other } }] }".into(), "volumes[config]", "spec.config")]
#[case::config_parts("{ volumes: [{ name: config, configMap: { items: [{ key: a, path: b }] } }] }".into(), "volumes[config]", "spec.config")]
#[case::data_removed("{ volumes: [{ name: data, persistentVolumeClaim: null, emptyDir: {} }] }".into(), "volumes[data]", "spec.storage")]
#[case::data_on_the_node("{ volumes: [{ name: data, $patch: replace, hostPath: { path: /x } }] }".into(), "volumes[data]", "spec.storage")]
#[case::another_pvc("{ volumes: [{ name: data, persistentVolumeClaim: { claimName: other } }] }".into(), "volumes[data]", "spec.storage")]
#[case::data_elsewhere(
    server("volumeMounts: [{ mountPath: /data, $patch: delete }, { mountPath: /elsewhere, name: data }]"),
    "containers[0].volumeMounts[/data]",
    "reads or writes"
)]
#[case::data_read_only(
    server("volumeMounts: [{ mountPath: /data, readOnly: true }]"),
    "containers[0].volumeMounts[/data]",
    "reads or writes"
)]
#[case::data_below(
    server("volumeMounts: [{ mountPath: /data, subPath: x }]"),
    "containers[0].volumeMounts[/data]",
    "reads or writes"
)]
#[case::other_config(
    server("volumeMounts: [{ mountPath: /config, name: tmp }]"),
    "containers[0].volumeMounts[/config]",
    "reads or writes"
)]
#[case::in_config(
    server("volumeMounts: [{ mountPath: /config/application-rest.yml, name: tmp, subPath: x }]"),
    "containers[0].volumeMounts[/config/application-rest.yml]",
    "another path"
)]
#[case::in_data(
    server("volumeMounts: [{ mountPath: /data/logs, name: tmp }]"),
    "containers[0].volumeMounts[/data/logs]",
    "another path"
)]
#[case::over_all(
    server("volumeMounts: [{ mountPath: /, name: tmp }]"),
    "containers[0].volumeMounts[/]",
    "another path"
)]
#[case::spelled_path(
    server("volumeMounts: [{ mountPath: '//data/', name: tmp }]"),
    "containers[0].volumeMounts[//data/]",
    "another path"
)]
#[case::dotted_path(
    server("volumeMounts: [{ mountPath: '/x/../config/.', name: tmp }]"),
    "containers[0].volumeMounts[/x/../config/.]",
    "another path"
)]
#[case::second_config(
    server("volumeMounts: [{ mountPath: /app/config, name: tmp }]"),
    "containers[0].volumeMounts[/app/config]",
    "second configuration"
)]
#[case::second_file(
    server("volumeMounts: [{ mountPath: /app/application-all.yml, name: tmp, subPath: x }]"),
    "containers[0].volumeMounts[/app/application-all.yml]",
    "second configuration"
)]
#[case::moved_directory(
    server("workingDir: /srv, volumeMounts: [{ mountPath: /srv/config/, name: tmp }]"),
    "containers[0].volumeMounts[/srv/config/]",
    "second configuration"
)]
#[case::whole_directory(
    server("volumeMounts: [{ mountPath: /app, name: tmp }]"),
    "containers[0].volumeMounts[/app]",
    "second configuration"
)]
#[case::links("{ enableServiceLinks: true }".into(), "enableServiceLinks", "Services")]
#[case::port_moved(
    server("ports: [{ containerPort: 8081, name: other }]"),
    "containers[0].ports",
    "'management'"
)]
#[case::gone("{ containers: [{ name: logpilot, $patch: delete }] }".into(), "containers", "must keep the container 'logpilot'")]
fn patches_are_limited_like_env(#[case] pod: String, #[case] path: &str, #[case] words: &str) {
    refused(&patched("Strategic", &pod), path, words);
    refused(&patched("Merge", &whole(&pod)), path, words);
}

/// The same pod as a merge patch, which replaces whole lists.
fn whole(pod: &str) -> String {
    let target = PatchTarget { kind: "Deployment".into(), name: "logpilot-all".into() };
    let Value::Object(patch) = serde_yaml::from_str(pod).expect("YAML") else { panic!("an object") };
    let patch = ObjectPatch { target, type_: Some(PatchType::Strategic), patch, operations: None };
    let plan = planned("{}");
    let mut laid = object(&plan, "Deployment", "logpilot-all").body["spec"]["template"]["spec"].clone();
    crate::logpilot::patches::lay_over(&mut laid, &patch).expect("laid");
    let fields = ["containers", "volumes", "enableServiceLinks"];
    Value::from_iter(fields.map(|field| (field, laid[field].clone()))).to_string()
}

/// A Merge patch replaces the list, so a variable can occur twice.
#[test]
fn a_variable_given_twice_is_refused() {
    let plan = planned("{}");
    let pod = &object(&plan, "Deployment", "logpilot-all").body["spec"]["template"]["spec"];
    let mut containers = pod["containers"].clone();
    let entries = containers[0]["env"].as_array_mut().expect("variables");
    entries.extend([json!({ "name": "A", "value": "1" }), json!({ "name": "A", "value": "2" })]);
    entries.push(json!({ "name": "SPRING_CONFIG_ADDITIONAL_LOCATION", "value": "file:/other/" }));
    let spec = patched("Merge", &json!({ "containers": containers }).to_string());
    refused(&spec, "containers[0].env[A]", "twice");
    refused(&spec, "containers[0].env[SPRING_CONFIG_ADDITIONAL_LOCATION]", "config.overlay");
}

/// Each patch is harmless by itself.
#[test]
fn patches_are_validated_together() {
    let server = |fields: &str| {
        format!(
            "{{ target: {{ kind: Deployment, name: logpilot-all }}, type: Strategic, patch: {{ spec: {{ template: {{ spec: {{ containers: [{{ name: logpilot, {fields} }}] }} }} }} }} }}"
        )
    };
    let harmless = "env: [{ name: P, value: '--spring.main.banner-mode=off' }], args: ['$(P)']";
    let port = "env: [{ name: P, value: '--server.port=1' }]";
    let found = violations(&format!("{{ patches: [{}, {}] }}", server(harmless), server(port)));
    let [one] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(one.path, "spec.patches[1].patch.spec.template.spec.containers[0].args");
}

/// The purpose of patches.
#[rstest]
#[case::sidecar(
    "{ containers: [{ name: sidecar, image: 'a:1', command: [x], env: [{ name: SERVER_PORT, value: '1' }] }] }"
)]
#[case::reader(
    "{ containers: [{ name: sidecar, image: 'a:1', volumeMounts: [{ name: data, mountPath: /d }] }] }"
)]
#[case::initial(
    "{ initContainers: [{ name: first, image: 'a:1', volumeMounts: [{ name: data, mountPath: /data }] }] }"
)]
#[case::variable("{ containers: [{ name: logpilot, env: [{ name: TZ, value: Etc/UTC }] }] }")]
#[case::options(
    "{ containers: [{ name: logpilot, env: [{ name: JAVA_TOOL_OPTIONS, value: '-Xmx1g -Dfile.encoding=UTF-8' }] }] }"
)]
#[case::pod_name(
    "{ containers: [{ name: logpilot, env: [{ name: POD, valueFrom: { fieldRef: { fieldPath: metadata.name } } }, { name: JDK_JAVA_OPTIONS, value: -Dpod=$(POD) }] }] }"
)]
#[case::argument("{ containers: [{ name: logpilot, args: ['--spring.main.banner-mode=off'] }] }")]
#[case::mount(
    "{ volumes: [{ name: ca, secret: { secretName: ca } }], containers: [{ name: logpilot, volumeMounts: [{ name: ca, mountPath: /etc/ca }] }] }"
)]
#[case::plugins(
    "{ containers: [{ name: logpilot, volumeMounts: [{ name: tmp, mountPath: /app/plugins }] }] }"
)]
#[case::near("{ containers: [{ name: logpilot, volumeMounts: [{ name: tmp, mountPath: /database }] }] }")]
#[case::scratch(
    "{ volumes: [{ name: tmp, emptyDir: { sizeLimit: 1Gi } }], containers: [{ name: logpilot, volumeMounts: [{ name: tmp, mountPath: /tmp, subPath: x }] }] }"
)]
#[case::probe("{ containers: [{ name: logpilot, readinessProbe: { periodSeconds: 3 } }] }")]
fn a_patch_keeping_the_guarantees_is_accepted(#[case] pod: &str) {
    cluster(&patched("Strategic", pod));
}

#[test]
fn with_files_only_the_server_writes_the_data() {
    let spec = |container: &str| {
        let mut spec: Value = serde_yaml::from_str(&patched("Strategic", container)).expect("YAML");
        spec["storage"] = json!({ "backend": "File" });
        spec["components"] = json!({ "all": { "replicas": 1 } });
        spec
    };
    let container =
        |field: &str, more: &str| spec(&format!("{{ {field}: [{{ name: other, image: 'a:1', {more} }}] }}"));
    let writes = "volumeMounts: [{ name: data, mountPath: /d }]";
    for (bad, path) in [
        (container("containers", writes), "containers[1].volumeMounts[/d].readOnly"),
        (
            container("initContainers", &format!("restartPolicy: Always, {writes}")),
            "initContainers[0].volumeMounts[/d].readOnly",
        ),
        (
            spec(
                "{ volumes: [{ name: again, persistentVolumeClaim: { claimName: logpilot-data } }], containers: [{ name: other, image: 'a:1', volumeMounts: [{ name: again, mountPath: /d }] }] }",
            ),
            "containers[1].volumeMounts[/d].readOnly",
        ),
    ] {
        let found = validate(&resource_of(bad)).expect_err(path);
        assert_eq!(found[0].path, format!("{AT}.{path}"), "{found:?}");
    }
    let reads = "volumeMounts: [{ name: data, mountPath: /d, readOnly: true }]";
    for good in [container("containers", reads), container("initContainers", writes)] {
        assert_eq!(validate(&resource_of(good)).err(), None);
    }
}

/// Jobs that are planned only at times, and the backups.
#[rstest]
#[case::check(
    "Job",
    "logpilot-all-check",
    "{ containers: [{ name: logpilot, env: [{ name: SERVER_PORT, value: '1' }] }] }",
    "containers[0].env[SERVER_PORT]"
)]
#[case::check_with_data(
    "Job",
    "logpilot-all-check",
    "{ volumes: [{ name: data, emptyDir: null, persistentVolumeClaim: { claimName: logpilot-data } }] }",
    "volumes[data]"
)]
#[case::restore(
    "Job",
    "logpilot-restore",
    "{ containers: [{ name: restore, args: [backup] }] }",
    "containers[0].args"
)]
#[case::restore_data(
    "Job",
    "logpilot-restore",
    "{ volumes: [{ name: data, persistentVolumeClaim: { claimName: other } }] }",
    "volumes[data]"
)]
#[case::backup(
    "CronJob",
    "logpilot-backup",
    "{ containers: [{ name: backup, command: [sh] }] }",
    "containers[0].command"
)]
#[case::backups(
    "CronJob",
    "logpilot-backup",
    "{ volumes: [{ name: backups, persistentVolumeClaim: null, emptyDir: {} }] }",
    "volumes[backups]"
)]
fn job_patches_are_validated_without_planned_jobs(
    #[case] kind: &str,
    #[case] name: &str,
    #[case] pod: &str,
    #[case] path: &str,
) {
    let spec = |patch: String| {
        format!(
            "{{ namespace: {{ podSecurity: Privileged }}, backup: {{}}, config: {{ check: {{}} }}, patches: [{{ target: {{ kind: {kind}, name: {name} }}, type: Strategic, patch: {patch} }}] }}"
        )
    };
    let (patch, at) = if kind == "CronJob" {
        (
            format!("{{ spec: {{ jobTemplate: {{ spec: {{ template: {{ spec: {pod} }} }} }} }} }}"),
            "jobTemplate.spec.template.spec",
        )
    } else {
        (format!("{{ spec: {{ template: {{ spec: {pod} }} }} }}"), "template.spec")
    };
    let found = violations(&spec(patch));
    assert_eq!(found[0].path, format!("spec.patches[0].patch.spec.{at}.{path}"), "{found:#?}");
}

/// Settings that move or hide the endpoints of probes and scrapes.
#[rstest]
#[case("management.endpoints.web.base-path", "/manage", "/actuator")]
#[case("management.endpoints.web.path-mapping.health", "healthcheck", "/actuator")]
#[case("management.endpoints.web.path-mapping.prometheus", "metrics", "/actuator")]
#[case("management.endpoints.web.exposure.include", "info", "`health`")]
#[case("management.endpoints.web.exposure.include", "health,info", "`prometheus`")]
#[case("management.endpoints.web.exposure.exclude", "*", "`health`")]
#[case("management.endpoints.web.exposure.exclude", "env,Health", "`health`")]
#[case("management.server.address", "127.0.0.1", "every address")]
#[case("management.server.base-path", "/x", "/actuator")]
#[case("management.server.ssl.enabled", "true", "management port")]
#[case("management.endpoint.health.status.http-mapping.up", "503", "`health`")]
#[case("management.endpoint.health.probes.enabled", "false", "`health`")]
#[case("management.health.probes.enabled", "false", "`health`")]
#[case("management.endpoints.enabled-by-default", "false", "`health`")]
#[case("management.endpoints.access.default", "none", "`health`")]
#[case("management.endpoints.access.max-permitted", "none", "`health`")]
#[case("management.endpoint.health.enabled", "false", "`health`")]
#[case("management.endpoint.health.access", "none", "`health`")]
#[case("management.endpoint.prometheus.enabled", "false", "`prometheus`")]
#[case("management.endpoint.prometheus.access", "none", "`prometheus`")]
#[case("management.prometheus.metrics.export.enabled", "false", "`prometheus`")]
#[case("management.defaults.metrics.export.enabled", "false", "`prometheus`")]
#[case("server.ssl.key-store", "/x.p12", "TLS")]
#[case("server.address", "127.0.0.1", "every address")]
#[case("server.shutdown", "immediate", "terminationGracePeriodSeconds")]
#[case("grpc.server.address", "127.0.0.1", "every address")]
#[case("grpc.server.security.enabled", "true", "TLS")]
#[case("spring.main.web-application-type", "none", "management port")]
#[case("spring.main.cloud-platform", "none", "`health`")]
#[case("spring.main.register-shutdown-hook", "false", "terminationGracePeriodSeconds")]
#[case("spring.lifecycle.timeout-per-shutdown-phase", "1ms", "terminationGracePeriodSeconds")]
#[case("spring.lifecycle.timeout-per-shutdown-phase", "30", "terminationGracePeriodSeconds")]
#[case("spring.lifecycle.timeout-per-shutdown-phase", "PT0S", "terminationGracePeriodSeconds")]
#[case("management.metrics.enable.all", "false", "`spec.monitoring`")]
#[case("management.metrics.enable.http.server.requests", "false", "`spec.monitoring`")]
#[case("management.metrics.enable.jvm", "false", "`spec.monitoring`")]
#[case("management.observations.enable.all", "false", "`spec.monitoring`")]
#[case("management.observations.http.server.requests.name", "x", "`spec.monitoring`")]
#[case(
    "spring.autoconfigure.exclude",
    "org.springframework.boot.actuate.autoconfigure.health.HealthEndpointAutoConfiguration",
    "`health`"
)]
#[case("logpilot.storage.sqlite.pooling.maximum-pool-size", "1", "sqlitePool")]
fn settings_breaking_probes_are_refused_everywhere(
    #[case] property: &str,
    #[case] value: &str,
    #[case] words: &str,
) {
    let variable = property.replace('.', "_").replace('-', "").to_uppercase();
    let dashed = property.replace(['.', '-'], "_");
    let option = format!("-D{property}={value}");
    let argument = format!("--{property}={value}");
    let entry = |name: &str, value: &str| json!({ "components": { "all": { "env": [{ "name": name, "value": value }] } } });
    let patch = |fields: Value| {
        let mut container = fields;
        container["name"] = json!("logpilot");
        json!({ "patches": [{
            "target": { "kind": "Deployment", "name": "logpilot-all" }, "type": "Strategic",
            "patch": { "spec": { "template": { "spec": { "containers": [container] } } } },
        }] })
    };
    for spec in [
        json!({ "config": { "overlay": { property: value } } }),
        entry(&variable, value),
        entry(&dashed, value),
        entry("JAVA_TOOL_OPTIONS", &option),
        patch(json!({ "env": [{ "name": variable, "value": value }] })),
        patch(json!({ "env": [{ "name": "JDK_JAVA_OPTIONS", "value": option }] })),
        patch(json!({ "args": [argument] })),
    ] {
        let shown = spec.to_string();
        let found = validate(&resource_of(spec)).expect_err(&shown);
        assert!(found.len() == 1 && found[0].message.contains(words), "{shown}: {found:#?}");
    }
}

/// Settings that do not affect the endpoints.
#[rstest]
#[case("{ management.endpoints.web.exposure.include: '*' }")]
#[case("{ server.address: 0.0.0.0, management.server.address: '0:0::0', grpc.server.address: '*' }")]
#[case("{ server: { address: '::' }, grpc: { server: { address: '::' } } }")]
#[case("{ management.endpoints.web.exposure.include: [health, prometheus, env] }")]
#[case("{ management.endpoints.web.exposure.include: 'env, Health ,prometheus' }")]
#[case("{ management.endpoints.web.exposure.exclude: [env, beans] }")]
#[case("{ management.endpoint.health.probes: { enabled: true, add-additional-paths: true } }")]
#[case("{ management.endpoint.health.group.readiness.include: 'readinessState,diskSpace' }")]
#[case("{ management.endpoint.health.show-details: always }")]
#[case("{ management.endpoints.web.path-mapping.info: version }")]
#[case("{ management.endpoints.access.default: read-only }")]
#[case("{ management.server.accesslog.prefix: x }")]
#[case("{ server.servlet.context-path: /logs, server.tomcat.threads.max: 20, server.shutdown: graceful }")]
#[case("{ spring.main.lazy-initialization: true, spring.main.web-application-type: servlet }")]
#[case(
    "{ spring.autoconfigure.exclude: [org.springframework.boot.autoconfigure.task.TaskSchedulingAutoConfiguration] }"
)]
#[case("{ grpc.server.max-inbound-message-size: 8MB }")]
#[case("{ spring.lifecycle.timeout-per-shutdown-phase: 20s }")]
#[case("{ spring.lifecycle.timeout-per-shutdown-phase: PT1M30S }")]
#[case("{ spring.lifecycle.timeout-per-shutdown-phase: 1000 }")]
#[case("{ management.metrics.enable: { all: true, tomcat: false } }")]
fn settings_unrelated_to_probes_are_accepted(#[case] overlay: &str) {
    cluster(&format!("{{ config: {{ overlay: {overlay} }} }}"));
}

#[test]
fn an_unreadable_value_keeps_nothing() {
    let found = violations("{ config: { overlay: { management.endpoint.health.enabled: '${X:true}' } } }");
    assert!(found[0].message.contains("`health`"), "{found:?}");
    let env = "[{ name: MANAGEMENT_ENDPOINT_HEALTH_ENABLED, valueFrom: { fieldRef: { fieldPath: metadata.name } } }]";
    let found = violations(&format!("{{ components: {{ all: {{ env: {env} }} }} }}"));
    assert!(found[0].message.contains("`health`"), "{found:?}");
    // The value is validated when it is read.
    let env =
        "[{ name: MANAGEMENT_ENDPOINT_HEALTH_ENABLED, valueFrom: { configMapKeyRef: { name: a, key: b } } }]";
    cluster(&format!("{{ components: {{ all: {{ env: {env} }} }} }}"));
}
