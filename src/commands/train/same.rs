//! Whether a config is the one that a run was begun with.

use crate::config::Config;
use crate::training::modulation;
use anyhow::{Result, bail};

/// Whether a run's own config came from this one; some of it was found out when it began.
pub(in crate::commands) fn is_of(saved: &Config, given: &Config) -> bool {
    let mut given = given.clone();
    given.data.sample_rate = given.data.sample_rate.or(saved.data.sample_rate);
    given.data.dry_channels = given.data.dry_channels.or(saved.data.dry_channels);
    adopt(&mut given, saved);
    refuse_other_config(saved, &given).is_ok()
}

/// Resuming may lengthen a run; anything else would make its log a lie.
pub(super) fn refuse_other_config(saved: &Config, given: &Config) -> Result<()> {
    let mut given = given.clone();
    given.training.epochs = saved.training.epochs;
    given.training.patience = saved.training.patience;
    given.device.clone_from(&saved.device);
    given.metadata.clone_from(&saved.metadata);
    let (saved, given) = (
        toml::Table::try_from(saved)?,
        toml::Table::try_from(&given)?,
    );
    for (key, value) in &saved {
        if given.get(key) != Some(value) {
            bail!(
                "the config differs from the run's own in [{key}]; resume with --run DIR --resume \
                 alone, or train anew without --resume"
            );
        }
    }
    Ok(())
}

/// What the search found out for a run is the run's: its network, and how it is trained.
pub(super) fn adopt(config: &mut Config, saved: &Config) {
    if config.search.is_some() && saved.search.is_some() {
        config.model.clone_from(&saved.model);
        config.windows.clone_from(&saved.windows);
        config.training.clone_from(&saved.training);
        config.loss.clone_from(&saved.loss);
    }
    config.model.take_output_scale(saved.model.output_scale());
    modulation::adopt_part(config, saved);
}
