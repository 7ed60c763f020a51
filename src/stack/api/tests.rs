use super::*;

#[test]
fn definition_is_printed() {
    let yaml = serde_yaml::to_string(&crd()).unwrap();
    println!("{} bytes as JSON", serde_json::to_string(&crd()).unwrap().len());
    std::fs::write("/tmp/stack-crd.yaml", yaml).unwrap();
}

#[test]
fn published_examples_are_read() {
    for name in ["erp", "codebeaker", "restaurant"] {
        let text = std::fs::read_to_string(format!("/work/shared/stack-examples/{name}.yaml")).unwrap();
        let stack: ServiceStack = serde_yaml::from_str(&text).unwrap();
        println!("{name}: {}", stack.spec.components.len());
    }
}
