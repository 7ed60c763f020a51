use super::*;

#[test]
fn definition_is_printed() {
    let yaml = serde_yaml::to_string(&crd()).unwrap();
    println!("{} bytes as JSON", serde_json::to_string(&crd()).unwrap().len());
    std::fs::write("/tmp/stack-crd.yaml", yaml).unwrap();
}
