mod airs;
#[cfg(feature = "emit")]
mod bench;
mod generic;
mod logup;
mod session;
mod stage;

use std::panic::{catch_unwind, AssertUnwindSafe};

#[cfg(feature = "emit")]
use serde_json::json;
use serde_json::Value;
use session::*;
use stwo::core::fields::qm31::SecureField;
use stwo::core::pcs::PcsConfig;

fn read(path: &str) -> Res<Value> {
    let s = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    serde_json::from_slice(&s).map_err(|e| format!("{path}: {e}"))
}
/// Accepts a bare object or a bundle {"params":..,"proof":..}.
fn part(v: Value, key: &str) -> Value {
    match v.get(key) {
        Some(x) => x.clone(),
        None => v,
    }
}
fn config(p: &Value) -> Res<PcsConfig> {
    serde_json::from_value(p["config"].clone()).map_err(|e| format!("config: {e}"))
}
fn claims(p: &Value) -> Res<Vec<SecureField>> {
    match p.get("claimed_sums") {
        None | Some(Value::Null) => Ok(vec![]),
        Some(v) => serde_json::from_value(v.clone()).map_err(|e| format!("claimed_sums: {e}")),
    }
}
fn nonces(p: &Value) -> Res<Vec<u64>> {
    match p.get("interaction_nonces") {
        None | Some(Value::Null) => Ok(vec![]),
        Some(v) => serde_json::from_value(v.clone()).map_err(|e| format!("interaction_nonces: {e}")),
    }
}
fn opt(args: &[String], name: &str) -> bool {
    args.iter().any(|a| a == name)
}

fn verify_with(
    args: &[String],
    params: &Value,
    proof: &str,
    f: &dyn Fn(&mut dyn Session) -> Res<()>,
) -> Res<String> {
    let proof: Proof =
        serde_json::from_value(part(read(proof)?, "proof")).map_err(|e| format!("proof: {e}"))?;
    if opt(args, "--stages") {
        stage::start_log();
    }
    let pp_root = match params.get("preprocessed_root") {
        None | Some(Value::Null) => None,
        Some(v) => Some(v.as_str().ok_or("preprocessed_root is not a string")?),
    };
    let mut s =
        VerifySession::new(config(params)?, proof, claims(params)?, nonces(params)?, pp_root, !opt(args, "--lax"))?;
    let r = f(&mut s);
    if opt(args, "--stages") {
        println!("{}", Value::Array(stage::take_log()));
    }
    r?;
    Ok(s.ch().digest_hex())
}

#[cfg(feature = "emit")]
fn prove_with(
    args: &[String],
    air: &str,
    params: &Value,
    max_log: u32,
    out: &str,
    f: &dyn Fn(&mut dyn Session) -> Res<()>,
) -> Res<String> {
    use session::prover::{Pick, ProveSession};
    use stwo::core::poly::circle::CanonicCoset;
    use stwo::prover::backend::simd::SimdBackend;
    use stwo::prover::backend::CpuBackend;

    fn go<B: Pick>(
        cfg: PcsConfig,
        max_log: u32,
        f: &dyn Fn(&mut dyn Session) -> Res<()>,
    ) -> Res<(Proof, Vec<SecureField>, Vec<u64>, String)> {
        let t = (max_log + cfg.fri_config.log_blowup_factor.max(1)).max(cfg.lifting_log_size.unwrap_or(0));
        let tw = B::precompute_twiddles(CanonicCoset::new(t).circle_domain().half_coset);
        let mut s = ProveSession::<B>::new(cfg, &tw);
        f(&mut s)?;
        let d = s.ch.digest_hex();
        Ok((s.proof.unwrap(), s.claims, s.nonces, d))
    }
    let cfg = config(params)?;
    stage::start_log();
    let r = if opt(args, "--cpu") {
        go::<CpuBackend>(cfg, max_log, f)
    } else {
        go::<SimdBackend>(cfg, max_log, f)
    };
    let log = stage::take_log();
    let (proof, claims, nonces, digest) = r?;
    let mut p = params.clone();
    if !claims.is_empty() {
        p["claimed_sums"] = json!(claims);
    }
    if !nonces.is_empty() {
        p["interaction_nonces"] = json!(nonces);
    }
    // keep serde's own key order for the proof (Value would sort keys)
    let mut b = format!(
        "{{\"air\":{},\"params\":{},\"digest\":{},\"proof\":{}",
        json!(air),
        p,
        json!(digest),
        serde_json::to_string(&proof).map_err(|e| e.to_string())?
    );
    if opt(args, "--stages") {
        b += &format!(",\"stages\":{}", Value::Array(log));
    }
    b += "}";
    std::fs::write(out, b).map_err(|e| e.to_string())?;
    Ok(digest)
}

fn run(args: &[String]) -> Res<String> {
    let a: Vec<&str> = args.iter().filter(|a| !a.starts_with("--")).map(|s| s.as_str()).collect();
    match a[..] {
        ["config"] => serde_json::to_string(&PcsConfig::default()).map_err(|e| e.to_string()),
        ["verify", air, params, proof] => {
            let p = part(read(params)?, "params");
            verify_with(args, &p, proof, &|s| airs::run(air, &p, s))
        }
        ["generic", air, params, proof] => {
            let def: generic::Air = serde_json::from_value(read(air)?).map_err(|e| format!("air: {e}"))?;
            let p = part(read(params)?, "params");
            let gp: generic::Params = serde_json::from_value(p.clone()).map_err(|e| format!("params: {e}"))?;
            let t = generic::TraceFile::default();
            verify_with(args, &p, proof, &|s| generic::run(&def, &gp, &t, s))
        }
        #[cfg(feature = "emit")]
        ["emit", air, params, out] => {
            let p = part(read(params)?, "params");
            let ml = airs::max_log(air, &p)?;
            prove_with(args, air, &p, ml, out, &|s| airs::run(air, &p, s))
        }
        #[cfg(feature = "emit")]
        ["gprove", air, params, trace, out] => {
            let def: generic::Air = serde_json::from_value(read(air)?).map_err(|e| format!("air: {e}"))?;
            let p = part(read(params)?, "params");
            let gp: generic::Params = serde_json::from_value(p.clone()).map_err(|e| format!("params: {e}"))?;
            let t: generic::TraceFile = serde_json::from_value(read(trace)?).map_err(|e| format!("trace: {e}"))?;
            let comps = gp.components.iter().zip(&def.components).map(|(c, d)| c.log_size + d.log_degree.max(1) - 1);
            let ml = comps.chain(gp.preprocessed_log_sizes.iter().copied()).max();
            prove_with(args, &def.name.clone(), &p, ml.unwrap_or(1), out, &|s| generic::run(&def, &gp, &t, s))
        }
        #[cfg(feature = "emit")]
        ["cols", air, params, out] => {
            let p = part(read(params)?, "params");
            let n = airs::u(&p, "log_n")?;
            let v = match air {
                "wide_fibonacci" => json!({"trace":[airs::wide_fib_cols(n, airs::u(&p, "n")? as usize)]}),
                "plonk" => {
                    let (a, b) = airs::plonk_cols(n, p["mul_every"].as_u64().unwrap_or(0) as usize);
                    json!({"preprocessed":a,"trace":[b]})
                }
                "state_machine" => {
                    use stwo::core::fields::m31::BaseField as M;
                    let iv = |k: usize| M::from_u32_unchecked(p["initial"][k].as_u64().unwrap_or(0) as u32);
                    let init = [iv(0), iv(1)];
                    let mid = [init[0] + M::from(1u32 << n), init[1]];
                    json!({"trace":[airs::state_cols(n, init, 0), airs::state_cols(n - 1, mid, 1)]})
                }
                "xor" => {
                    let (a, b, c) = airs::xor_cols(airs::u(&p, "bits")?, n);
                    json!({"preprocessed":a,"trace":[b, c]})
                }
                _ => return Err("cols: unknown air".into()),
            };
            std::fs::write(out, v.to_string()).map_err(|e| e.to_string())?;
            Ok("written".into())
        }
        #[cfg(feature = "emit")]
        ["bench", what, ref rest @ ..] => bench::run(what, rest),
        _ => Err("usage: harness config | verify AIR PARAMS PROOF | generic AIR.json PARAMS PROOF | emit AIR PARAMS OUT | gprove AIR.json PARAMS TRACE OUT | cols AIR PARAMS OUT | bench ...  [--stages] [--lax] [--cpu]".into()),
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if std::env::var_os("HARNESS_BACKTRACE").is_none() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let r = catch_unwind(AssertUnwindSafe(|| run(&args)));
    match r {
        Ok(Ok(s)) => println!("ok {s}"),
        Ok(Err(e)) => {
            println!("rejected: {e}");
            std::process::exit(1)
        }
        Err(p) => {
            let m = p
                .downcast_ref::<String>()
                .cloned()
                .or(p.downcast_ref::<&str>().map(|s| s.to_string()))
                .unwrap_or_default();
            println!("rejected: panic: {m}");
            std::process::exit(1)
        }
    }
}
