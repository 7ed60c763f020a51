//! The live objects that a restore waits for, and what the PVCs record about restores.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::Job,
    core::v1::{PersistentVolumeClaim, Pod},
};

use super::World;
use crate::{
    api::status::{RestorePhase, RestoreStatus},
    engine::{child::Child, plan::Key},
    kinds::Managed,
    logpilot::{
        labels,
        model::{Component, Restore},
        names,
    },
    workload::{health, names::is_label_value},
};

/// Number of requests that a PVC records; the file next to the database records all.
const REMEMBERED: usize = 16;

impl World<'_> {
    /// Returns what still uses the data.
    pub(super) fn remaining_users(&self, request: &Restore) -> Vec<String> {
        let namespace = &self.cluster.namespace.name;
        let users: Vec<&Component> =
            self.cluster.components.iter().filter(|component| component.claim == request.claim).collect();
        let mut left: Vec<String> = self
            .active_pods()
            .filter(|(_, pod)| {
                pod.component == labels::RESTORE || users.iter().any(|user| user.role.name == pod.component)
            })
            .map(|(child, _)| child.to_string())
            .collect();
        left.extend(users.iter().filter_map(|user| {
            let key = Key { namespace: Some(namespace.clone()), name: user.name.clone() };
            let live = self.snapshot.get(Deployment::KIND, &key)?.observed::<health::Deployment>();
            let stopped = live.is_some_and(|live| live.observed && live.desired == 0 && live.total == 0);
            (!stopped).then(|| format!("Deployment {key}"))
        }));
        let copies = self.cluster.backup.iter().flat_map(|backup| &backup.jobs);
        let copies: Vec<_> = copies.filter(|job| job.claim == request.claim).collect();
        left.extend(
            self.snapshot
                .of_kind(Job::KIND)
                .filter(|child| child.observed::<health::Job>().is_some_and(|job| job.end.is_none()))
                .filter(|child| {
                    let owner = child.controller.as_ref().filter(|owner| owner.kind == "CronJob");
                    owner.is_some_and(|owner| copies.iter().any(|job| job.name == owner.name))
                })
                .map(ToString::to_string),
        );
        left
    }

    pub(super) fn key(&self, request: &Restore) -> Key {
        self.cluster.key(names::restore_of(&self.cluster.scope.prefix, &request.request_id))
    }

    /// Returns the Job of the request, if it belongs to this resource: one of an earlier resource is
    /// being deleted.
    pub(super) fn job(&self, request: &Restore) -> Option<&Arc<Child>> {
        let ours = |job: &&Arc<Child>| job.controller.as_ref().is_some_and(|it| it.uid == self.cluster.uid());
        self.snapshot.get(Job::KIND, &self.key(request)).filter(ours)
    }

    pub(super) fn pods(&self, request: &Restore) -> impl Iterator<Item = &health::Pod> {
        let name = self.key(request).name;
        self.active_pods().map(|(_, pod)| pod).filter(move |pod| pod.job.as_ref() == Some(&name))
    }

    /// Returns the pods whose containers may run, including those that are terminating.
    pub(super) fn active_pods(&self) -> impl Iterator<Item = (&Arc<Child>, &health::Pod)> {
        self.snapshot.of_kind(Pod::KIND).filter_map(|child| {
            let pod = child.observed::<health::Pod>()?;
            (!matches!(pod.phase.as_str(), "Succeeded" | "Failed")).then_some((child, pod))
        })
    }

    /// Returns every PVC while the pod of a restore runs that the spec no longer requests.
    pub(super) fn claims_with_restore_pods(&self) -> BTreeSet<String> {
        let there = self.active_pods().any(|(_, pod)| pod.component == labels::RESTORE);
        let claims = self.cluster.components.iter().filter(|_| there);
        claims.map(|component| component.claim.clone()).collect()
    }

    fn record(&self, claim: &str) -> Vec<(String, RestorePhase)> {
        let key = self.cluster.key(claim);
        let child = self.snapshot.get(PersistentVolumeClaim::KIND, &key);
        let live = child.and_then(|child| child.observed::<health::Claim>());
        live.and_then(|live| live.restores.as_deref()).map(read).unwrap_or_default()
    }

    /// Returns how a request ended, as recorded on the PVC.
    pub(super) fn recorded_phase(&self, request: &Restore) -> Option<RestorePhase> {
        let all = self.record(&request.claim);
        all.into_iter().find(|(id, _)| *id == request.request_id).map(|(_, phase)| phase)
    }

    /// Returns the records of each PVC plus what just ended. Includes earlier results, in case they
    /// were not written.
    pub(super) fn records(&self, over: Option<(&str, &RestoreStatus)>) -> BTreeMap<String, String> {
        let before = self.before.filter(|before| before.phase.ended()).and_then(|before| {
            let component = |it: &&Component| before.component.is_none_or(|key| key == it.role.key);
            Some((self.cluster.components.iter().find(component)?.claim.as_str(), before))
        });
        let claims = self.cluster.storage.claims.iter().map(|claim| {
            let mut record = self.record(&claim.name);
            for (_, status) in before.into_iter().chain(over).filter(|(name, _)| *name == claim.name) {
                if record.iter().all(|(id, _)| *id != status.request_id) {
                    record.push((status.request_id.clone(), status.phase));
                }
            }
            let skip = record.len().saturating_sub(REMEMBERED);
            let items = record.iter().skip(skip).map(|(id, phase)| format!("{id}={phase:?}"));
            (claim.name.clone(), items.collect::<Vec<_>>().join(","))
        });
        claims.filter(|(_, record)| !record.is_empty()).collect()
    }
}

/// Parses `request=Succeeded,other=Failed`, oldest first; other values are skipped.
fn read(record: &str) -> Vec<(String, RestorePhase)> {
    let item = |item: &str| {
        let (id, phase) = item.split_once('=')?;
        let phase = match phase {
            "Succeeded" => RestorePhase::Succeeded,
            "Failed" => RestorePhase::Failed,
            _ => return None,
        };
        (!id.is_empty() && is_label_value(id)).then(|| (id.to_owned(), phase))
    };
    record.split(',').filter_map(item).collect()
}
