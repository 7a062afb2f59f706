use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::labels::{TaskLabel, WhatLabel};

/// How the process is inside, as metrics.
#[derive(Default)]
pub struct Vitals {
    tasks: Gauge,
    stuck: Family<WhatLabel, Gauge>,
    task_restarts: Family<TaskLabel, Counter>,
}

impl Vitals {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("tasks", "Tasks of the runtime that are alive", self.tasks.clone());
        let help = "Threads of the runtime, and accept loops, that have not come round for some seconds";
        registry.register("stuck", help, self.stuck.clone());
        let help = "Tasks that keep house and began anew after a panic";
        registry.register("task_restarts", help, self.task_restarts.clone());
    }

    /// So many tasks of the runtime are alive.
    pub fn alive(&self, tasks: usize) {
        self.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
    }

    /// So many of `what` do not come round.
    pub fn stuck(&self, what: &'static str, many: usize) {
        self.stuck.get_or_create(&WhatLabel { what }).set(i64::try_from(many).unwrap_or(i64::MAX));
    }

    /// A task keeps house from now on.
    pub fn kept(&self, task: &'static str) {
        // From the beginning: a series that begins at 1 has not grown, for who asks by how much it has.
        self.task_restarts.get_or_create_owned(&TaskLabel { task });
    }

    /// A task that keeps house panicked, and begins anew.
    pub fn restarted(&self, task: &'static str) {
        self.task_restarts.get_or_create(&TaskLabel { task }).inc();
    }
}
