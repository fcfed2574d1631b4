//! Times what dspy-rs does of a call beside the request to the model: from inputs to
//! chat, and from reply to values. The work comes as JSON on standard input, the time
//! goes as JSON to standard output.

use std::{
    collections::HashMap,
    hint::black_box,
    io,
    time::{Duration, Instant},
};

use dspy_rs::{ChatAdapter, Example, Message, MetaSignature, Signature, adapter::Adapter};
use serde::Deserialize;
use serde_json::{Value, json};

#[Signature]
struct Task {
    /// Answer the question from the context, and give a score of how sure you are.
    #[input]
    question: String,

    #[input]
    context: String,

    #[output]
    answer: String,

    #[output]
    score: i64,
}

/// What to measure: the same as the other side gets.
#[derive(Deserialize)]
struct Work {
    demos: Vec<HashMap<String, Value>>,
    inputs: HashMap<String, Value>,
    outputs: HashMap<String, Value>, // that the reply has
    seconds: f64,
}

/// Between two readings of the clock.
const BATCH: usize = 256;

fn main() -> anyhow::Result<()> {
    let work: Work = serde_json::from_reader(io::stdin())?;
    let mut signature = Task::new();
    signature.set_demos(work.demos.into_iter().map(example).collect())?;
    let inputs = example(work.inputs);
    let reply = Message::assistant(format!(
        "[[ ## answer ## ]]\n{}\n\n[[ ## score ## ]]\n{}\n\n[[ ## completed ## ]]\n",
        work.outputs["answer"].as_str().unwrap_or_default(),
        work.outputs["score"],
    ));

    let adapter = ChatAdapter;
    let messages = adapter.format(&signature, inputs.clone()).len();
    let values = adapter.parse_response(&signature, reply.clone());
    anyhow::ensure!(values == work.outputs, "the reply was read as {values:?}");

    let wanted = Duration::from_secs_f64(work.seconds);
    run(&adapter, &signature, &inputs, &reply, wanted / 4); // caches and allocator are warm
    let micros = run(&adapter, &signature, &inputs, &reply, wanted);
    println!("{}", json!({"messages": messages, "microseconds": micros}));
    Ok(())
}

fn example(data: HashMap<String, Value>) -> Example {
    let keys = |names: [&str; 2]| names.map(String::from).to_vec();
    Example::new(
        data,
        keys(["question", "context"]),
        keys(["answer", "score"]),
    )
}

/// Returns the microseconds of one operation, over so much time. Copies of inputs and
/// reply, which both calls take for good, are made beforehand.
fn run(
    adapter: &ChatAdapter,
    signature: &dyn MetaSignature,
    inputs: &Example,
    reply: &Message,
    wanted: Duration,
) -> f64 {
    let (mut took, mut operations) = (Duration::ZERO, 0);
    while took < wanted {
        let copies = vec![(inputs.clone(), reply.clone()); BATCH];
        let start = Instant::now();
        for (inputs, reply) in copies {
            black_box(adapter.format(signature, inputs));
            black_box(adapter.parse_response(signature, reply));
        }
        took += start.elapsed();
        operations += BATCH;
    }
    took.as_secs_f64() * 1e6 / operations as f64
}
