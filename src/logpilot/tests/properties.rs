//! What holds for every valid spec: random selections of the fields in [`super::leaves`].

use proptest::prelude::*;

use super::{leaves::LEAVES, rules::broken, *};
use crate::logpilot::warnings::warnings;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_plan_is_deterministic_and_keeps_the_rules(
        chosen in prop::collection::vec((0..LEAVES.len(), any::<bool>()), 0..8),
        override_name in prop::option::of("[a-z]([-a-z0-9]{0,38}[a-z0-9])?"),
    ) {
        let mut spec = json!({});
        for (index, second) in chosen {
            let leaf = LEAVES[index];
            let given = if second { leaf.2 } else { leaf.1 };
            lay_over(&mut spec, &serde_yaml::from_str(given).expect("YAML"));
        }
        if let Some(name) = override_name {
            spec["nameOverride"] = json!(name);
        }
        let cr = resource_of(spec);
        // Violations are fine here: they must only be the same ones each time.
        let (one, other) = (validate(&cr), validate(&cr));
        prop_assert_eq!(&one, &other);
        if let Ok(cluster) = one {
            let made = plan(&cluster, &Facts::default());
            prop_assert_eq!(&made, &plan(&cluster, &Facts::default()));
            prop_assert_eq!(broken(&made), Vec::<String>::new());
            prop_assert_eq!(warnings(&cluster), warnings(&cluster));
        }
    }
}
