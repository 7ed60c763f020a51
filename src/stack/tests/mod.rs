use std::collections::BTreeMap;

use super::{api::ServiceStack, facts::Facts, plan, resolve};

pub fn example(name: &str) -> ServiceStack {
    let path = format!("{}/examples/stacks/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn examples_are_planned() {
    for (name, tiers) in [("erp", 6), ("codebeaker", 1), ("restaurant", 2)] {
        let stack = resolve::resolve(&example(name)).unwrap();
        assert_eq!(stack.tiers(), tiers);
        let plan = plan::plan(&stack, &Facts::default());
        let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
        for object in &plan.objects {
            *kinds.entry(object.kind.kind).or_default() += 1;
        }
        println!("{name}: {} objects {kinds:?}", plan.objects.len());
        let text: Vec<String> =
            plan.objects.iter().map(|it| serde_yaml::to_string(&it.body).unwrap()).collect();
        std::fs::write(format!("/tmp/plan-{name}.yaml"), text.join("---\n")).unwrap();
    }
}

mod wiring;
