package org.elasticsearch.plugins;

import java.util.List;
import org.elasticsearch.env.Environment;

/** The plugins of a node that has one, which is given as an object and not as a folder. */
public final class OnePlugin extends PluginsService {

    private final List<LoadedPlugin> plugins;

    public OnePlugin(Environment environment, PluginsLoader loader, Plugin plugin) {
        super(environment.settings(), environment.configDir(), loader);
        String name = plugin.getClass().getName();
        plugins = List.of(new LoadedPlugin(
            new PluginDescriptor(name, name, "1", "", "21", name, null, List.of(), false, false, false, false),
            plugin,
            getClass().getClassLoader()
        ));
    }

    @Override
    protected List<LoadedPlugin> plugins() {
        return plugins;
    }
}
