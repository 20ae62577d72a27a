package org.elasticsearch.plugins;

import java.util.List;
import java.util.Map;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.jdk.ModuleQualifiedExportsService;

/** The plugins of a node that has one, which is given as an object and not as a folder. */
public final class OnePlugin extends PluginsService {

    private final List<LoadedPlugin> plugins;

    public OnePlugin(Settings settings, Environment environment, Plugin plugin) {
        super(settings, environment.configFile(), environment.modulesFile(), environment.pluginsFile());
        String name = plugin.getClass().getName();
        plugins = List.of(new LoadedPlugin(
            new PluginDescriptor(name, name, "1", "", "17", name, null, List.of(), false, false, false, false),
            plugin,
            getClass().getClassLoader(),
            ModuleLayer.boot()
        ));
    }

    @Override
    protected List<LoadedPlugin> plugins() {
        return plugins;
    }

    @Override
    protected void addServerExportsService(Map<String, List<ModuleQualifiedExportsService>> services) {
        // On the class path nothing has to be exported between modules.
    }
}
