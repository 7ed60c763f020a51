//! Why clients from outside do not get in.

use engine::child::Child;

use super::{Problem, Profile};
use crate::{
    health::{Gateway, Route},
    reasons,
};

pub(super) fn gateway_problem(profile: &Profile, child: &Child, gateway: &Gateway) -> Option<Problem> {
    match &gateway.unable {
        Some(cause) => Some(profile.error(
            child,
            reasons::GATEWAY_NOT_PROGRAMMED,
            format!("{}: {}", cause.reason, cause.message),
        )),
        // No controller has answered: for a moment after each change, or permanently if a name is wrong.
        None => gateway.unseen.then(|| {
            let message = "no controller has answered for it yet";
            profile.warning(child, reasons::GATEWAY_NOT_PROGRAMMED, message)
        }),
    }
}

pub(super) fn route_problem(profile: &Profile, child: &Child, route: &Route) -> Option<Problem> {
    match &route.refused {
        Some(cause) => Some(profile.error(
            child,
            reasons::ROUTE_NOT_ACCEPTED,
            format!("{}: {}", cause.reason, cause.message),
        )),
        None => route.unseen.as_ref().map(|gateway| {
            let message = format!("no controller has answered for Gateway {gateway} yet");
            profile.warning(child, reasons::ROUTE_NOT_ACCEPTED, message)
        }),
    }
}
