use super::{api::ServiceStack, plan, resolve};
use crate::{
    cli::print::before_first_write,
    golden::{compare, print},
};

pub fn example(name: &str) -> ServiceStack {
    let path = format!("{}/examples/stacks/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn examples_are_planned() {
    for (name, tiers) in [("erp", 6), ("codebeaker", 1), ("restaurant", 2)] {
        let stack = resolve::resolve(&example(name)).unwrap();
        assert_eq!(stack.tiers(), tiers);
    }
}

mod jobs;
mod live_facts;
mod outage;
mod secrets;
mod stopped;
mod wiring;

/// Examples with a golden plan.
const GOLDEN: [&str; 3] = ["codebeaker", "erp", "restaurant"];

#[test]
fn golden_plans_are_unchanged() {
    let rendered = |name: &str| {
        let mut cr = example(name);
        cr.metadata.uid = Some("11111111-2222-3333-4444-555555555555".to_owned());
        let stack = resolve::resolve(&cr).unwrap();
        let plan = plan::plan(&stack, &before_first_write(&stack));
        (format!("stacks/{name}.yaml"), print(&plan.in_apply_order()))
    };
    compare(&["stacks"], &GOLDEN.map(rendered));
}
