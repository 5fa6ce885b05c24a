// SPDX-License-Identifier: MIT
// ASP.NET's server. Built only where its shared framework is.
#if KESTREL
using System.Net;
using System.Security.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

static class Kestrel
{
    public static Task Text(HttpContext context) => context.Response.WriteAsync("hello");

    // Serves one request and stops once its connection has ended.
    public static async Task Serve(SslProtocols version, RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        var asked = new TaskCompletionSource();

        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration().ConfigureKestrel(kestrel =>
            kestrel.Listen(IPAddress.Loopback, 0, listen =>
                listen.UseHttps(https =>
                {
                    https.ServerCertificate = Party.Certificate();
                    https.SslProtocols = version;
                })));
        await using var app = builder.Build();
        app.Run(async context =>
        {
            context.Response.OnCompleted(() => { asked.TrySetResult(); return Task.CompletedTask; });
            try { await answer(context); }
            finally { asked.TrySetResult(); }
        });
        await app.StartAsync();
        var features = app.Services.GetRequiredService<IServer>().Features;
        var address = features.Get<IServerAddressesFeature>()!.Addresses.First();
        Console.WriteLine($"listening {new Uri(address).Port}");
        await asked.Task;
        await app.StopAsync();
    }
}
#endif
