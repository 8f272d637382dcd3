//! The state-space network with temporal FiLM, held to its definition written down elsewhere.

use crate::golden;
use effigy::engine::Engine;
use effigy::network::Network;
use effigy::simd::Isa;

#[test]
fn its_definition_is_reproduced() {
    let network = golden::json("s4_tf/network.json");
    let network: Network = serde_json::from_value(network).unwrap();
    let input = golden::array("s4_tf/input.npy").singles();
    let expected = golden::array("s4_tf/output.npy").values;
    let peak = expected.iter().fold(0.0f64, |peak, y| peak.max(y.abs()));
    for isa in Isa::available() {
        let mut engine = Engine::with_isa(&network, isa).unwrap();
        let mut output = vec![0.0; input.len()];
        for (x, y) in input.chunks(100).zip(output.chunks_mut(100)) {
            engine.process(x, y);
        }
        let apart = output.iter().zip(&expected);
        let apart = apart.fold(0.0f64, |most, (y, e)| most.max((f64::from(*y) - e).abs()));
        // Rounding of single precision over some hundred sums; a block late is 0.13 of the peak.
        assert!(apart < 3e-6 * peak, "{isa}: {apart:e} of {peak}");
    }
}
