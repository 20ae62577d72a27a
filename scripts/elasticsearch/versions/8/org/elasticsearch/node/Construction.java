package org.elasticsearch.node;

import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.OnePlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.plugins.PluginsService;

/** How a node with one plugin is put together in version 8. */
final class Construction {

    private Construction() {}

    static NodeConstruction of(Environment environment, Plugin plugin) {
        return NodeConstruction.prepareConstruction(environment, new NodeServiceProvider() {
            @Override
            PluginsService newPluginService(Environment ours, Settings settings) {
                return new OnePlugin(settings, ours, plugin);
            }
        }, true);
    }
}
