//! Writes what Terraform has to know of metrics and alarms: `terraform/monitor.json`.

#[expect(clippy::print_stdout, reason = "what it is for")]
fn main() {
    println!("{:#}", monitor::alarms::facts());
}
