package org.elasticsearch.node;

import java.util.Map;
import java.util.Set;
import org.elasticsearch.env.Environment;
import org.elasticsearch.plugins.OnePlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.plugins.PluginsService;

/** How a node with one plugin is put together in version 9. */
final class Construction {

    private Construction() {}

    static NodeConstruction of(Environment environment, Plugin plugin) {
        PluginsLoader none = PluginsLoader.createPluginsLoader(Set.of(), Set.of(), Map.of(), false);
        return NodeConstruction.prepareConstruction(environment, none, new NodeServiceProvider() {
            @Override
            PluginsService newPluginService(Environment ours, PluginsLoader loader) {
                return new OnePlugin(ours, loader, plugin);
            }
        }, true);
    }
}
